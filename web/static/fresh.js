// Keeps the parts of a page marked data-fresh up to date: the page is asked for again, and only what differs is put in.
(() => {
  const EVERY_MS = 3000
  async function look() {
    if (document.hidden) return
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(8000) })
    if (!answer.ok || answer.redirected) return
    const now = new DOMParser().parseFromString(await answer.text(), "text/html")
    for (const part of document.querySelectorAll("[data-fresh]")) {
      const next = now.getElementById(part.id)
      if (!next || part.innerHTML === next.innerHTML || part.querySelector("details[open]")) continue
      const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") ?? document.activeElement.id : null
      part.innerHTML = next.innerHTML
      if (focused) part.querySelector(`[href="${CSS.escape(focused)}"], #${CSS.escape(focused)}`)?.focus()
    }
  }
  async function loop() {
    try { await look() } catch { /* the banner says what does not answer */ }
    setTimeout(loop, EVERY_MS)
  }
  setTimeout(loop, EVERY_MS)
})()
