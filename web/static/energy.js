// The plots of energy, demand and cost. They decide nothing: go.js brings each view.
(() => {
  const $ = (id) => document.getElementById(id)
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()
  const powermon = window.powermon
  const SOURCES = ["bars", "before", "lines", "covered", "gaps"]
  let model = null

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
    const view = powermon.view
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
    const view = powermon.view
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
    const found = (powermon.view.opens ?? []).find(([left, right]) => x >= left && x < right)
    if (!found?.[2]) return
    const [zoom, at, by] = found[2].split("/")
    const next = new URL("/energy", location.href)
    next.search = new URLSearchParams({ sensor: powermon.sensor, zoom, at, ...(by ? { by } : {}) })
    powermon.go(next, true)
  }

  // ---- the beginning

  async function start() {
    const found = await powermon.embed()
    model = Object.fromEntries(["chart_plot", "covered_plot", "contract"].map((name) => [name, found.get_model_by_name(name)]))
    for (const name of SOURCES) model[name] = found.get_model_by_name(`${name}_data`)
    powermon.model = model
    powermon.draw = draw
    model.chart_plot.on_event("tap", open)
    document.documentElement.addEventListener("themechange", colours)
    addEventListener("resize", ticks)
    colours()
    powermon.ready()
  }
  if ($("plots")) start()
  else powermon.ready()
})()
