// Runs before the first paint, so that a dark page never flashes white.
(function () {
  "use strict";
  var kept = null;
  try {
    kept = JSON.parse(window.localStorage.getItem("_x_adminTheme"));
  } catch (error) {
    kept = null; // Storage is off or holds something else: the system's choice applies.
  }
  var dark =
    kept === "dark" ||
    (kept !== "light" && window.matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.classList.add(dark ? "dark" : "light");
})();
