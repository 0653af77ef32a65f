// Takes the next view of a page from the server and puts in what differs, without a reload. It decides nothing:
// `powermon.draw` shows a view, links and forms with data-go ask for another one, parts marked data-part are exchanged.
(() => {
  const $ = (id) => document.getElementById(id)
  const powermon = window.powermon
  let asked = 0
  let timer = 0
  const viewOf = (page) => JSON.parse(page.getElementById("view")?.textContent ?? "{}")

  function put(page) {
    for (const part of page.querySelectorAll("[data-part]")) {
      const held = document.querySelector(`[data-part="${part.dataset.part}"]`)
      if (!held || held.innerHTML === part.innerHTML) continue
      const focused = held.contains(document.activeElement) ? document.activeElement : null
      if (focused?.matches("input, textarea")) continue // somebody is at it
      held.innerHTML = part.innerHTML
      if (!focused) continue
      const same = [...held.querySelectorAll("a, button, select, input")].find((one) => one.textContent === focused.textContent && one.getAttribute("aria-label") === focused.getAttribute("aria-label"))
      same?.focus({ preventScroll: true })
    }
    document.title = page.title
    powermon.view = viewOf(page)
    powermon.draw()
  }

  async function go(address, push) {
    const mine = ++asked
    const url = new URL(address, location.href)
    try {
      const answer = await fetch(url, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(15000) })
      if (mine !== asked) return
      if (new URL(answer.url).pathname !== url.pathname || !answer.ok) {
        if (push || answer.redirected) location.assign(url)
        return
      }
      const page = new DOMParser().parseFromString(await answer.text(), "text/html")
      if (mine !== asked) return
      if (!page.getElementById("view") || url.pathname !== location.pathname) return location.assign(url)
      if (push) history.pushState(null, "", url)
      put(page)
      powermon.mark?.()
    } catch {
      if (push && mine === asked) location.assign(url)  // else the banner says what does not answer
    } finally {
      if (mine === asked) wait()
    }
  }

  function wait() {
    clearTimeout(timer)
    const every = powermon.view.every_s
    if (every) timer = setTimeout(() => (document.hidden ? wait() : go(location.href, false)), every * 1000)
  }

  // What a form asks for, without what is left open.
  const asks = (form) => `${form.getAttribute("action")}?${new URLSearchParams([...new FormData(form)].filter(([, value]) => value))}`

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-go]")
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return
    event.preventDefault()
    go(link.href, true)
  })
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-go]")
    if (form) go(asks(form), true)
  })
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-go]")
    if (!form) return
    event.preventDefault()
    go(asks(form), true)
  })
  addEventListener("popstate", () => go(location.href, false))
  document.addEventListener("visibilitychange", () => { if (!document.hidden && powermon.view.every_s) go(location.href, false) })

  powermon.view = viewOf(document)
  powermon.draw = () => {}
  powermon.go = go
  powermon.again = () => go(location.href, false)
  powermon.ready = () => {
    wait()
    document.body.dataset.ready = "true"
  }
})()
