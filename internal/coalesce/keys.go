package coalesce

// Of the calls with one key one is ready or was sent, and the others wait in line behind it.
// All functions here want the lock to be held.

// claim reports whether a call may be sent now. It may not while another with its key is
// ready or under way.
func (g *Group[In, Out]) claim(in In) bool {
	if g.Key == nil {
		return true
	}
	key := g.Key(in)
	if _, taken := g.lines[key]; taken {
		return false
	}
	if g.lines == nil {
		g.lines = map[string]*queue[In, Out]{}
	}
	g.lines[key] = nil
	return true
}

// enqueue has a call wait until a worker takes it, or until it is the first with its key.
func (g *Group[In, Out]) enqueue(c *Call[In, Out]) {
	g.waiting++
	c.batch = g.batches
	if g.claim(c.In) {
		g.ready.push(c)
		return
	}
	key := g.Key(c.In)
	if g.lines[key] == nil {
		g.lines[key] = &queue[In, Out]{}
	}
	g.lines[key].push(c)
}

// release makes the next call with this key ready, behind those that are: a key with many
// calls must not keep others waiting.
func (g *Group[In, Out]) release(in In) {
	if g.Key == nil {
		return
	}
	key := g.Key(in)
	line := g.lines[key]
	if line == nil || line.first == nil {
		delete(g.lines, key)
		return
	}
	c := line.first
	line.remove(c)
	g.ready.push(c)
}

// dequeue takes a call out of its queue. What waits behind it with its key stays there.
func (g *Group[In, Out]) dequeue(c *Call[In, Out]) {
	g.waiting--
	c.queue.remove(c)
}

// supersede answers those that wait behind a call which has ended, and for which its outcome
// is enough.
func (g *Group[In, Out]) supersede(ended *Call[In, Out]) {
	line := g.lines[g.Key(ended.In)]
	if line == nil || g.Superseded == nil || ended.RunAlone { // the last has not ended
		return
	}
	for c := line.first; c != nil; {
		next := c.after
		if c.batch < ended.batch && g.Superseded(ended, c) {
			g.dequeue(c)
			c.done <- struct{}{}
		}
		c = next
	}
}
