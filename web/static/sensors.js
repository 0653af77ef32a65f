// The list of sensors or meters, the banners, and finding the way back after an outage.
(() => {
  const page = JSON.parse(document.getElementById("page").textContent)
  const $ = (id) => document.getElementById(id)
  const EVERY_MS = 2000
  const state = { sensor: page.sensor, hours: page.hours, lost: false, failures: 0, downSince: null, rows: new Map() }
  window.powermon = state

  const meters = page.kind === "meter"
  const path = { energy: "/energy", demand: "/demand", cost: "/cost" }[page.kind]  // the same view of another sensor
  const other = (id) => `${path}?${new URLSearchParams([...new URLSearchParams(location.search)].filter(([name]) => name !== "sensor").concat([["sensor", id]]))}`
  state.address = (id) => (path ? other(id) : meters ? `/meters?id=${encodeURIComponent(id)}` : `/?sensor=${encodeURIComponent(id)}&hours=${state.hours}`)

  async function ask(path) {
    const answer = await fetch(path, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(5000) })
    if (answer.status === 401) {
      location.assign(`/signin?next=${encodeURIComponent(location.pathname + location.search)}`)
      throw new Error("signed out")
    }
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`)
    return answer.json()
  }

  function row(sensor) {
    let held = state.rows.get(sensor.id)
    if (!held) {
      const item = document.createElement("li")
      const link = document.createElement("a")
      const parts = ["dot", "id", "detail", "open"].map((name) => {
        const part = document.createElement("span")
        part.className = name
        link.append(part)
        return part
      })
      item.append(link)
      link.addEventListener("click", (event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey || !state.choose) return
        event.preventDefault()
        state.choose(sensor.id, state.hours)
      })
      held = { item, link, parts }
      state.rows.set(sensor.id, held)
    }
    const [, id, detail, open] = held.parts
    held.link.href = state.address(sensor.id)
    held.link.dataset.state = sensor.state
    if (sensor.id === state.sensor) held.link.setAttribute("aria-current", "true")
    else held.link.removeAttribute("aria-current")
    if (id.textContent !== sensor.id) id.textContent = sensor.id
    const said = sensor.state === "silent" ? say("silent {detail}", { detail: sensor.detail }) : sensor.detail
    if (detail.textContent !== said) detail.textContent = said
    const mark = sensor.anomalies ? sayN(sensor.anomalies, "{n} anomaly", "{n} anomalies") : ""
    if (open.textContent !== mark) open.textContent = mark
    return held.item
  }

  function showList(found) {
    const list = $("list")
    const listed = found.sensors ?? found.meters
    const wanted = listed.map(row)
    if (wanted.length !== list.children.length || wanted.some((item, k) => list.children[k] !== item)) {
      const focused = document.activeElement
      list.replaceChildren(...wanted)
      if (list.contains(focused)) focused.focus()
    }
    $("count").textContent = found.total ? say("{live} of {total} live", { live: found.live, total: found.total }) : ""
    const hidden = found.matching - listed.length
    const note = !found.total ? say("none registered yet") : !found.matching ? say("none matches") : hidden > 0 ? say("and {n} more: search for them", { n: hidden }) : ""
    $("list-note").textContent = note
    if (!page.sensor && !page.asked && found.total) location.reload()
  }
  state.mark = () => {
    for (const [id, held] of state.rows) {
      held.link.href = state.address(id)
      if (id === state.sensor) held.link.setAttribute("aria-current", "true")
      else held.link.removeAttribute("aria-current")
    }
  }

  const time = (at) => new Date(at).toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false })

  function showBanners(outages) {
    const wanted = outages.map(({ part, sentence, since }) => {
      const banner = document.createElement("p")
      banner.className = "banner"
      banner.dataset.part = part
      banner.textContent = say("{sentence} Since {moment}.", { sentence, moment: time(since) })
      return banner
    })
    const box = $("banners")
    const same = wanted.length === box.children.length && wanted.every((b, k) => b.textContent === box.children[k].textContent)
    if (!same) box.replaceChildren(...wanted)
  }

  function back(boot) {
    // Another process answers, or the plots' connection broke: this page's document is gone, so take a new one.
    if (boot === page.boot && !state.lost) return false
    // Each time without a page that came up, wait twice as long.
    const [last, tries] = JSON.parse(sessionStorage.getItem("reloaded") ?? "[0,0]")
    if (Date.now() - last < Math.min(60000, 1000 * 2 ** tries)) return false
    sessionStorage.setItem("reloaded", JSON.stringify([Date.now(), tries + 1]))
    location.reload()
    return true
  }

  async function look() {
    try {
      const status = await ask("/api/v1/status")
      state.failures = 0
      state.downSince = null
      if (back(status.boot)) return
      showBanners(status.outages)
      if (!$("list")) return
      const query = $("search").value.trim()
      showList(await ask(`/api/v1/${meters ? "meters" : "sensors"}?${meters || path ? "" : "kind=power&"}q=${encodeURIComponent(query)}`))
    } catch (error) {
      if (document.hidden) return
      state.failures += 1
      state.downSince ??= Date.now()
      if (state.failures >= 2) {
        const sentence = say("The web server does not answer: what is shown here stands still, and goes on when it is back.")
        showBanners([{ part: "web", sentence, since: state.downSince }])
      }
    }
  }

  let timer = 0
  async function loop() {
    clearTimeout(timer)
    if (!document.hidden) await look()
    timer = setTimeout(loop, state.failures || state.lost ? 1000 : EVERY_MS)
  }
  document.addEventListener("visibilitychange", () => { if (!document.hidden) loop() })
  let typing = 0
  $("search")?.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(loop, 150) })
  if ($("sensors") && matchMedia("(max-width: 900px)").matches) $("sensors").open = !page.sensor && !page.asked
  loop()
})()
