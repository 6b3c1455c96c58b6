// Draws every <canvas data-chart> with Chart.js; the numbers stand in a table beside each.
(function () {
  "use strict";

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim() || "#888";
  }

  function day(value) {
    return new Date(value * 86400000).toISOString().slice(0, 10);
  }

  // A 95 % interval as a thin line behind each point.
  var intervals = {
    id: "intervals",
    beforeDatasetsDraw: function (chart) {
      var meta = chart.getDatasetMeta(0), data = chart.data.datasets[0].data;
      var pen = chart.ctx;
      pen.save();
      pen.strokeStyle = colour("--sw-quiet");
      meta.data.forEach(function (point, at) {
        pen.beginPath();
        pen.moveTo(point.x, chart.scales.y.getPixelForValue(data[at].lo));
        pen.lineTo(point.x, chart.scales.y.getPixelForValue(data[at].hi));
        pen.stroke();
      });
      pen.restore();
    },
  };

  function draw(canvas) {
    var told = JSON.parse(canvas.dataset.chart);
    var isTrend = told.kind === "trend";
    var text = colour("--sw-quiet"), line = colour("--sw-line");
    var scores = {
      label: isTrend ? "Score" : "Checkpoint",
      data: told.scores,
      showLine: isTrend,
      borderColor: colour("--sw-main"),
      backgroundColor: told.scores.map(function (point) {
        return point.dominated ? text : colour("--sw-main");
      }),
      pointRadius: 4,
    };
    var levels = told.lines.map(function (level) {
      return {
        label: level.name, data: level.points, showLine: true, pointRadius: 0,
        borderColor: text, borderDash: [5, 4], borderWidth: 1,
      };
    });
    var axis = { ticks: { color: text }, grid: { color: line } };
    new window.Chart(canvas, {
      type: "scatter",
      data: { datasets: [scores].concat(levels) },
      plugins: [intervals],
      options: {
        animation: false,
        // No clicks: what a mouse could hide, the keyboard could not bring back.
        events: ["mousemove", "mouseout", "touchstart", "touchmove"],
        maintainAspectRatio: false,
        scales: {
          x: Object.assign({}, axis, {
            title: { display: true, color: text, text: isTrend ? "Registered" : "Cost a call, micro-units" },
            ticks: { color: text, maxTicksLimit: 6, callback: isTrend ? day : undefined },
          }),
          y: Object.assign({}, axis, { title: { display: true, color: text, text: "Score, %" } }),
        },
        plugins: {
          legend: { labels: { color: text } },
          tooltip: {
            callbacks: {
              label: function (item) {
                var point = item.raw;
                return point.name
                  ? point.name + ": " + point.y.toFixed(1) + " (" + point.lo.toFixed(1) + " to " + point.hi.toFixed(1) + ")"
                  : item.dataset.label + ": " + point.y.toFixed(1);
              },
            },
          },
        },
      },
    });
  }

  document.querySelectorAll("canvas[data-chart]").forEach(draw);
})();
