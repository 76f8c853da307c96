// Light or dark, before the first paint. Without a choice the page follows the system.
(() => {
  const KEY = "lgrseg-theme";
  const THEMES = ["system", "light", "dark"];
  const chosen = () => {
    const stored = localStorage.getItem(KEY);
    return THEMES.includes(stored) ? stored : "system";
  };
  const apply = () => {
    const theme = chosen();
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (!button) return;
    const name = theme[0].toUpperCase() + theme.slice(1);
    button.textContent = `Theme: ${name.toLowerCase()}`;
    const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    button.title = `Change to ${next}`;
  };
  apply();
  document.addEventListener("DOMContentLoaded", () => {
    apply();
    document.getElementById("theme").addEventListener("click", () => {
      localStorage.setItem(KEY, THEMES[(THEMES.indexOf(chosen()) + 1) % THEMES.length]);
      apply();
    });
  });
})();
