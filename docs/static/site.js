// What the theme and the gallery leave without a name for readers of the screen, and tables that scroll reached by keys.
document.addEventListener("DOMContentLoaded", () => {
  for (const each of document.querySelectorAll("summary")) {
    if (!each.textContent.trim()) each.setAttribute("aria-label", "Show the pages below");
  }
  for (const each of document.querySelectorAll(".sphx-glr-thumbcontainer a")) {
    each.setAttribute("aria-label", each.textContent.trim());
  }
  for (const each of document.querySelectorAll(".bd-article table, .bd-article pre, .bd-article mjx-container")) {
    if (each.scrollWidth > each.clientWidth) each.setAttribute("tabindex", "0");
  }
});
