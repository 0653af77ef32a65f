// Pages of energy, demand and cost: takes the next view from the server and puts in what differs, without a reload. It decides nothing.
(() => {
  const $ = (id) => document.getElementById(id)
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()
  const powermon = window.powermon
  const SOURCES = ["bars", "before", "lines", "covered", "gaps"]
  let model = null
  let view = JSON.parse($("view")?.textContent ?? "{}")
  let asked = 0
  let timer = 0

  // ---- the plots

  const numbers = (data) => Object.fromEntries(Object.entries(data).map(([name, of]) => [name, of.map((one) => one ?? NaN)]))
  const empty = (source) => Object.fromEntries(Object.keys(source.data).map((name) => [name, []]))

  function give(name, data) {
    const source = model[name]
    const next = Object.keys(data).length ? { ...empty(source), ...numbers(data) } : empty(source)
    const text = JSON.stringify(next)
    if (source.tags[0] === text) return
    source.tags = [text]
    source.data = next
  }

  function ticks() {
    const width = $("main").clientWidth - 90
    const all = view.ticks ?? []
    const wide = Math.max(1, ...all.map(([, text]) => text.length)) * 8 + 14
    const every = [1, 2, 3, 4, 6, 8, 12, 24].find((n) => (all.length / n) * wide < width) ?? 24
    const shown = all.filter((_, k) => k % every === 0)
    const axis = model.covered_plot.below[0]
    axis.ticker.setv({ ticks: shown.map(([at]) => at) })
    axis.setv({ major_label_overrides: new Map(shown) })
  }

  function draw() {
    if (!model || !view.window) return
    for (const name of ["chart_plot", "covered_plot"]) model[name].x_range.setv({ start: view.window[0], end: view.window[1] })
    model.chart_plot.y_range.setv({ start: view.axis[0], end: view.axis[1] })
    const fill = (view.bars.colour ?? []).map(colour)
    const { colour: _, ...bars } = view.bars
    give("bars", fill.length ? { ...bars, fill } : {})
    give("before", view.before)
    give("lines", view.lines)
    give("covered", view.covered)
    give("gaps", { x0: view.gaps.map(([a]) => a), x1: view.gaps.map(([, b]) => b) })
    model.contract.setv({ visible: view.contract !== undefined && view.contract !== null, location: view.contract ?? 0 })
    ticks()
  }

  function colours() {
    if (!model) return
    for (const plot of [model.chart_plot, model.covered_plot]) {
      for (const axis of [...plot.below, ...plot.left]) axis.setv({ major_label_text_color: colour("--muted") })
      for (const renderer of plot.renderers) {
        const phase = /^phase_(.)$/.exec(renderer.name ?? "")
        const named = phase ? `--phase-${phase[1]}` : { before: "--muted", measured: "--coverage", gaps: "--gap" }[renderer.name]
        if (!named) continue
        const isLine = ["Line", "Segment"].includes(renderer.glyph.type)
        renderer.glyph.setv(isLine ? { line_color: colour(named) } : { fill_color: colour(named) })
      }
    }
    model.contract.setv({ line_color: colour("--warn") })
    draw()
  }

  function open({ x }) {
    const found = (view.opens ?? []).find(([left, right]) => x >= left && x < right)
    if (!found?.[2]) return
    const [zoom, at, by] = found[2].split("/")
    const next = new URL("/energy", location.href)
    next.search = new URLSearchParams({ sensor: powermon.sensor, zoom, at, ...(by ? { by } : {}) })
    go(next, true)
  }

  // ---- the next view

  function put(page) {
    for (const part of page.querySelectorAll("[data-part]")) {
      const held = document.querySelector(`[data-part="${part.dataset.part}"]`)
      if (!held || held.innerHTML === part.innerHTML) continue
      const focused = held.contains(document.activeElement) ? document.activeElement : null
      held.innerHTML = part.innerHTML
      if (!focused) continue
      const same = [...held.querySelectorAll("a, button, select, input")].find((one) => one.textContent === focused.textContent && one.getAttribute("aria-label") === focused.getAttribute("aria-label"))
      same?.focus({ preventScroll: true })
    }
    document.title = page.title
    view = JSON.parse(page.getElementById("view")?.textContent ?? "{}")
    draw()
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
    if (view.every_s) timer = setTimeout(() => (document.hidden ? wait() : go(location.href, false)), view.every_s * 1000)
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-go]")
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return
    event.preventDefault()
    go(link.href, true)
  })
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-go]")
    if (form) go(`${form.getAttribute("action")}?${new URLSearchParams(new FormData(form))}`, true)
  })
  addEventListener("popstate", () => go(location.href, false))
  document.addEventListener("visibilitychange", () => { if (!document.hidden && view.every_s) go(location.href, false) })

  // ---- the beginning

  async function start(said) {
    const roots = Object.fromEntries(Object.entries(said.roots).map(([name, id]) => [id, $(`plot-${name}`)]))
    await Bokeh.embed.embed_items({ page: said.document }, [{ docid: "page", roots, root_ids: Object.keys(roots) }])
    const found = Bokeh.documents.at(-1)
    model = Object.fromEntries(["chart_plot", "covered_plot", "contract"].map((name) => [name, found.get_model_by_name(name)]))
    for (const name of SOURCES) model[name] = found.get_model_by_name(`${name}_data`)
    powermon.model = model
    model.chart_plot.on_event("tap", open)
    document.documentElement.addEventListener("themechange", colours)
    addEventListener("resize", ticks)
    colours()
    ready()
  }
  function ready() {
    wait()
    document.body.dataset.ready = "true"
  }
  const plots = $("plots")
  if (plots) start(JSON.parse(plots.textContent))
  else ready()
})()
