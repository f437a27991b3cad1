package coalesce

// Own is how many callers may each have a statement of their own.
func (g *Group[In, Out]) Own() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return int(g.limit.own)
}
