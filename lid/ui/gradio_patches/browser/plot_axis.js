// Where a plot's axes are: lidPlotAxis(plot) gives {left, width, top, height, start, end}, in pixels of the plot's box and
// in seconds, or null while there is no plot.
// Gradio (checked in 6.31) draws plots with plotly.js 3.3, which keeps this in the private `_fullLayout` of the element.
// Check at an upgrade: the class `js-plotly-plot`, and `_offset` and `_length` of the axes.
window.lidPlotAxis = (plot) => {
  const layout = plot?._fullLayout;
  if (!layout?.xaxis) return null;
  const { _offset: left, _length: width, range: [start, end] } = layout.xaxis;
  return { left, width, top: layout.yaxis._offset, height: layout.yaxis._length, start, end };
};
