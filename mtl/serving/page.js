"use strict";
/* What all parts of the page use. */
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);

function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/* Return a probability as text. */
function percent(share) {
  if (share === null) return "\u2013";
  if (share > 0.9995 && share < 1) return ">99.9%";
  return (100 * share).toFixed(1) + "%";
}

byId("address").textContent = location.href.replace(/[?#].*/, "");
