// Draws every <canvas data-chart> with Chart.js; the numbers stand in a table beside each.
(function () {
  "use strict";

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim() || "#888";
  }

  function day(value) {
    return new Date(value * 86400000).toISOString().slice(0, 10);
  }

  var TONES = { on: "--sw-main", off: "--sw-quiet", "can't tell": "--sw-warn" };
  var SHAPES = { on: "circle", off: "crossRot", "can't tell": "triangle" };

  function eachPoint(chart, visit) {
    chart.data.datasets.forEach(function (series, at) {
      if (series.isLevel) {
        return;
      }
      chart.getDatasetMeta(at).data.forEach(function (mark, number) {
        visit(mark, series.data[number], series);
      });
    });
  }

  function stroke(pen, fromX, fromY, toX, toY) {
    pen.beginPath();
    pen.moveTo(fromX, fromY);
    pen.lineTo(toX, toY);
    pen.stroke();
  }

  // A 95 % interval as a line behind each point, across and up, within the plot.
  var intervals = {
    id: "intervals",
    beforeDatasetsDraw: function (chart) {
      var pen = chart.ctx, area = chart.chartArea, x = chart.scales.x, y = chart.scales.y;
      pen.save();
      pen.beginPath();
      pen.rect(area.left, area.top, area.width, area.height);
      pen.clip();
      eachPoint(chart, function (mark, point, series) {
        pen.strokeStyle = series.borderColor;
        if (typeof point.lo === "number" && typeof point.hi === "number") {
          stroke(pen, mark.x, y.getPixelForValue(point.lo), mark.x, y.getPixelForValue(point.hi));
        }
        if (typeof point.xlo === "number" && typeof point.xhi === "number") {
          stroke(pen, x.getPixelForValue(point.xlo), mark.y, x.getPixelForValue(point.xhi), mark.y);
        }
      });
      pen.restore();
    },
  };

  // Each point's name beside it, where no other stands; the table names them all.
  var names = {
    id: "names",
    afterDatasetsDraw: function (chart) {
      var pen = chart.ctx, area = chart.chartArea, taken = [];
      pen.save();
      pen.font = "11px Inter, system-ui, sans-serif";
      pen.fillStyle = colour("--sw-text");
      pen.textBaseline = "middle";
      eachPoint(chart, function (mark, point) {
        var text = point.name.length > 28 ? point.name.slice(0, 27) + "…" : point.name;
        var width = pen.measureText(text).width;
        var left = mark.x + 10 + width > area.right ? mark.x - 10 - width : mark.x + 10;
        var free = left >= area.left && taken.every(function (box) {
          return Math.abs(box.y - mark.y) > 13 || left > box.right || left + width < box.left;
        });
        if (free) {
          pen.fillText(text, left, mark.y);
          taken.push({ y: mark.y, left: left, right: left + width });
        }
      });
      pen.restore();
    },
  };

  function seriesOf(told) {
    var isTrend = told.kind === "trend", quiet = colour("--sw-quiet");
    return told.series.map(function (series) {
      if (!series.standing) {
        return {
          label: series.name, data: series.points, isLevel: true, showLine: true, pointRadius: 0,
          pointStyle: "line", borderColor: quiet, borderWidth: 1,
          borderDash: /^Ceiling/.test(series.name) ? [] : [5, 4],
        };
      }
      var tone = colour(TONES[series.standing]);
      return {
        label: series.name, data: series.points, showLine: isTrend, borderColor: tone,
        backgroundColor: tone, pointRadius: 5, pointStyle: SHAPES[series.standing],
      };
    });
  }

  // The ends of every interval, so that none leaves the plot.
  function ends(told) {
    var found = [];
    told.series.forEach(function (series) {
      series.points.forEach(function (point) {
        [point.y, point.lo, point.hi].forEach(function (value) {
          if (typeof value === "number") {
            found.push(value);
          }
        });
      });
    });
    return { low: Math.max(0, Math.min.apply(null, found) - 3), high: Math.min(100, Math.max.apply(null, found) + 3) };
  }

  function said(item) {
    var point = item.raw, text = (point.name || item.dataset.label) + ": " + point.y.toFixed(1) + " %";
    return typeof point.lo === "number" ? text + " (" + point.lo.toFixed(1) + " to " + point.hi.toFixed(1) + ")" : text;
  }

  function draw(canvas) {
    var told = JSON.parse(canvas.dataset.chart);
    var isTrend = told.kind === "trend", range = ends(told);
    var text = colour("--sw-quiet"), grid = { color: colour("--sw-line") };
    var xTitle = told.x || (isTrend ? "Day the checkpoint was registered" : "Cost of 1,000 calls");
    new window.Chart(canvas, {
      type: "scatter",
      data: { datasets: seriesOf(told) },
      plugins: [intervals].concat(isTrend ? [] : [names]),
      options: {
        animation: false,
        // No clicks: what a mouse could hide, the keyboard could not bring back.
        events: ["mousemove", "mouseout", "touchstart", "touchmove"],
        maintainAspectRatio: false,
        scales: {
          x: {
            grid: grid, title: { display: true, color: text, text: xTitle },
            ticks: Object.assign(
              { color: text, maxTicksLimit: 6, maxRotation: 0 }, isTrend ? { callback: day, precision: 0 } : {}
            ),
          },
          y: {
            grid: grid, title: { display: true, color: text, text: told.y || "Score, %" }, ticks: { color: text },
            suggestedMin: range.low, suggestedMax: range.high,
          },
        },
        plugins: {
          legend: { labels: { color: text, usePointStyle: true } },
          tooltip: { callbacks: { label: said } },
        },
      },
    });
  }

  document.querySelectorAll("canvas[data-chart]").forEach(draw);
})();
