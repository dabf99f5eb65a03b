"""Reports: tables, plots, contact sheets and HTML pages."""
