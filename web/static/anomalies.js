// The plots of anomalies: the timeline, and what was measured around one. They decide nothing: go.js brings each view.
(() => {
  const $ = (id) => document.getElementById(id)
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()
  const powermon = window.powermon
  const LANE_PX = 40
  const LINES = ["A", "B", "C", "total"]
  let model = null

  function give(source, data) {
    const text = JSON.stringify(data)
    if (source.tags[0] === text) return
    source.tags = [text]
    source.data = data
  }

  function ticks(plot) {
    const width = plot.inner_width || $("main").clientWidth - 60
    const all = powermon.view.ticks ?? []
    const wide = Math.max(1, ...all.map(([, text]) => text.length)) * 8 + 16
    const every = [1, 2, 3, 4, 6, 8, 12, 24].find((n) => (all.length / n) * wide < width) ?? 24
    const shown = all.filter((_, k) => k % every === 0)
    const axis = plot.below[0]
    axis.ticker.setv({ ticks: shown.map(([at]) => at) })
    axis.setv({ major_label_overrides: new Map(shown), major_label_text_color: colour("--muted") })
  }

  function timeline() {
    const { window: [start, end], lanes, bars, names } = powermon.view
    const plot = model.timeline_plot
    plot.setv({ height: 44 + LANE_PX * Math.max(1, lanes) })
    $("plot-timeline").style.height = `${44 + LANE_PX * Math.max(1, lanes)}px`
    plot.x_range.setv({ start, end })
    plot.y_range.setv({ start: 0, end: Math.max(1, lanes) })
    const { colour: of, ...rest } = bars
    give(model.bars_data, { ...rest, fill: of.map(colour) })
    give(model.names_data, names)
    plot.renderers.find((one) => one.name === "names").glyph.setv({ text_color: colour("--muted") })
    ticks(plot)
  }

  function around() {
    const { window: [start, end], axis, lines, limit, mark } = powermon.view
    const plot = model.around_plot
    plot.x_range.setv({ start, end })
    plot.y_range.setv({ start: axis[0], end: axis[1] })
    for (const name of LINES) {
      const line = lines[name] ?? { t: [], v: [] }
      give(model[`${name}_data`], { t: line.t, v: line.v.map((one) => one ?? NaN) })
      plot.renderers.find((one) => one.name === `line_${name}`).glyph.setv({ line_color: colour(name === "total" ? "--accent" : `--phase-${name}`) })
    }
    const least = (end - start) * 0.003
    model.mark.setv({ left: mark[0], right: Math.max(mark[1], mark[0] + least), fill_color: colour("--bad") })
    model.limit.setv({ visible: limit !== null, location: limit ?? 0, line_color: colour("--warn") })
    for (const one of plot.left) one.setv({ major_label_text_color: colour("--muted") })
    ticks(plot)
  }

  function form() {
    const asked = new URLSearchParams(location.search)
    for (const field of document.querySelectorAll("form.filters [name]")) {
      if (field === document.activeElement) continue
      if (field.type === "checkbox") field.checked = asked.get(field.name) === field.value
      else field.value = asked.get(field.name) ?? ""
    }
  }

  function draw() {
    form()
    if (!model || !powermon.view.window) return
    if (model.timeline_plot) timeline()
    else around()
  }

  async function start() {
    const found = await powermon.embed()
    const names = ["timeline_plot", "bars_data", "names_data", "around_plot", "mark", "limit", ...LINES.map((name) => `${name}_data`)]
    model = Object.fromEntries(names.map((name) => [name, found.get_model_by_name(name)]))
    powermon.model = model
    powermon.draw = draw
    model.bars_data?.selected.properties.indices.change.connect(() => {
      const [at] = model.bars_data.selected.indices
      if (at !== undefined) location.assign(`/anomalies?id=${model.bars_data.data.id[at]}`)
    })
    document.documentElement.addEventListener("themechange", draw)
    addEventListener("resize", () => draw())
    draw()
    powermon.ready()
  }
  start()
})()
