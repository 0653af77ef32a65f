// Draws the plots that came with the page. They come without data; `powermon.follow` keeps that of a plot's source the same
// as that of the page's document on the server.
(() => {
  const powermon = window.powermon

  powermon.embed = async () => {
    const said = JSON.parse(document.getElementById("plots").textContent)
    const roots = Object.fromEntries(Object.entries(said.roots).map(([name, id]) => [id, document.getElementById(`plot-${name}`)]))
    await Bokeh.embed.embed_items({ page: said.document }, [{ docid: "page", roots, root_ids: Object.keys(roots) }])
    const [root] = Object.keys(roots)
    return Bokeh.documents.find((one) => one.get_model_by_id(root))
  }

  // The document on the server that holds a model of this name; it comes over a connection of its own.
  powermon.connected = async (name) => {
    for (let tries = 0; tries < 600; tries++) {
      const found = window.Bokeh?.documents.find((one) => one.get_model_by_name(name))
      if (found) return found
      await new Promise((done) => setTimeout(done, 25))
    }
    return null
  }

  powermon.follow = (source, from) => {
    const take = () => { source.data = from.data }
    take()
    from.properties.data.change.connect(take)
    from.streaming.connect(() => source.streaming.emit())  // the columns are the same ones, and hold the new points already
    from.patching.connect((indices) => source.patching.emit(indices))
  }
})()
