"""The operations that an exported model may have: those that compute, and touch nothing else.

A model runs wherever it is loaded, so it must not call Python, open files, or keep state.
"""

from mtl.errors import DataError

_ARRAYS = """
BatchToSpaceND BroadcastArgs BroadcastGradientArgs BroadcastTo Concat ConcatV2 Const DepthToSpace
Diag DiagPart EnsureShape ExpandDims Fill Gather GatherNd GatherV2 Identity IdentityN
InvertPermutation LinSpace MatrixBandPart MatrixDiag MatrixDiagPart MatrixDiagPartV3 MatrixDiagV3
MatrixSetDiagV3 MirrorPad OneHot OnesLike Pack Pad PadV2 Placeholder PlaceholderWithDefault
PreventGradient Range Rank Reshape Reverse ReverseSequence ReverseV2 Roll ScatterNd
Shape ShapeN Size Slice Snapshot SpaceToBatchND SpaceToDepth Split SplitV Squeeze StopGradient
StridedSlice TensorScatterAdd TensorScatterUpdate Tile TopK TopKV2 Transpose Unique UniqueV2 Unpack
Where ZerosLike
"""
_MATH = """
Abs Acos Acosh Add AddN AddV2 All Angle Any ApproximateEqual ArgMax ArgMin Asin Asinh Atan Atan2
Atanh BatchMatMul BatchMatMulV2 BatchMatMulV3 BesselI0e BesselI1e Bincount Bitcast BitwiseAnd
BitwiseOr BitwiseXor Bucketize Cast Ceil CheckNumerics Cholesky ClipByValue Complex ComplexAbs Conj
Cos Cosh Cross Cumprod Cumsum CumulativeLogsumexp DenseBincount Digamma Div DivNoNan Einsum Equal
Erf Erfc Erfinv Exp Expm1 FFT FFT2D FFT3D Floor FloorDiv FloorMod Greater GreaterEqual
HistogramFixedWidth IFFT IFFT2D IFFT3D IRFFT IRFFT2D IRFFT3D Igamma Igammac Imag Inv Invert IsFinite
IsInf IsNan LeftShift Less LessEqual Lgamma Log Log1p LogicalAnd LogicalNot LogicalOr
MatMul MatrixDeterminant MatrixInverse MatrixSolve MatrixTriangularSolve Max Maximum Mean Min
Minimum Mod Mul MulNoNan Ndtri Neg NextAfter NotEqual Polygamma Pow Prod Qr RFFT RFFT2D RFFT3D Real
RealDiv Reciprocal RightShift Rint Round Rsqrt SegmentMax SegmentMean SegmentMin SegmentProd
SegmentSum Select SelectV2 SelfAdjointEigV2 Sigmoid Sign Sin Sinh Sqrt Square SquaredDifference Sub
Sum Svd Tan Tanh TruncateDiv TruncateMod UnsortedSegmentMax UnsortedSegmentMin UnsortedSegmentProd
UnsortedSegmentSum Xdivy Xlog1py Xlogy Zeta
"""
_LAYERS = """
AvgPool AvgPool3D BiasAdd BiasAddV1 Conv Conv2D Conv2DBackpropInput Conv2DBackpropInputV2 Conv3D
Conv3DBackpropInputV2 DepthwiseConv2dNative Dilation2D Elu ExtractImagePatches FractionalAvgPool
FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 InTopK InTopKV2 L2Loss LRN LeakyRelu LogSoftmax
MaxPool MaxPool3D MaxPoolV2 MaxPoolWithArgmax NthElement Relu Relu6 Selu Softmax Softplus Softsign
SoftmaxCrossEntropyWithLogits SparseSoftmaxCrossEntropyWithLogits
"""
_IMAGES = """
AdjustContrastv2 AdjustHue AdjustSaturation CropAndResize DecodeImage DecodeJpeg HSVToRGB
ImageProjectiveTransformV2 ImageProjectiveTransformV3 RGBToHSV ResizeArea ResizeBicubic
ResizeBilinear ResizeNearestNeighbor ScaleAndTranslate
"""
_TEXT = "AsString ReduceJoin StringLength Substr"
_CONTROL = """
If NoOp PartitionedCall StatefulPartitionedCall StatelessIf StatelessWhile While
TensorListConcatV2 TensorListFromTensor TensorListGather TensorListGetItem TensorListLength
TensorListReserve TensorListSetItem TensorListSplit TensorListStack
EmptyTensorList TensorListPushBack TensorListPopBack TensorListElementShape
Enter Exit LoopCond Merge NextIteration Switch
"""
# Random numbers that depend only on their seed, which is an input.
_RANDOM = """
StatelessRandomNormal StatelessRandomUniform StatelessRandomUniformInt StatelessTruncatedNormal
"""
OPERATIONS = frozenset(
    "".join([_ARRAYS, _MATH, _LAYERS, _IMAGES, _TEXT, _CONTROL, _RANDOM]).split()
)


def check(graph_def, where: str) -> None:
    """Check a graph and its functions.

    Args:
      graph_def: tf.GraphDef.
      where: what the graph was made from, for the error.

    Raises:
      DataError: it has another operation than OPERATIONS; the message names it.
    """
    nodes = list(graph_def.node)
    for function in graph_def.library.function:
        nodes += function.node_def
    names = {function.signature.name for function in graph_def.library.function}
    for node in nodes:
        if node.op not in OPERATIONS and node.op not in names:
            what = f"its network has the operation {node.op} ({node.name})"
            why = "an exported model may only compute: no Python, files or state"
            cure = "build the bottom from other operations"
            raise DataError(f"{where}: {what}; {why}; {cure}")
