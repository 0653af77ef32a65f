// Light or dark: the system's choice, or the reader's own, kept in this browser. Loaded before the first paint.
(() => {
  const root = document.documentElement
  const system = matchMedia("(prefers-color-scheme: dark)")
  const kept = () => { try { return localStorage.getItem("theme") } catch { return null } }
  const apply = () => {
    root.dataset.theme = kept() ?? (system.matches ? "dark" : "light")
    root.dispatchEvent(new Event("themechange"))
  }
  system.addEventListener("change", apply)
  document.addEventListener("click", (event) => {
    if (!event.target.closest("#theme")) return
    const other = root.dataset.theme === "dark" ? "light" : "dark"
    try { localStorage.setItem("theme", other) } catch { /* a private window keeps nothing */ }
    apply()
  })
  apply()
})()
