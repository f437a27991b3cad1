package coalesce

import "time"

// A crew counts statements under way. One that takes long is late, and takes no other's place
// then. When it began is known by its era only; one is late after one to two of them.
type crew struct {
	era    int
	recent [2]int // those that began in this era, and in the one before it
	late   int
}

func (c *crew) size() int { return c.recent[0] + c.recent[1] }

func (c *crew) all() int { return c.size() + c.late }

func (c *crew) join() (era int) {
	c.recent[c.era%2]++
	return c.era
}

func (c *crew) leave(era int) {
	if c.era-era > 1 {
		c.late--
	} else {
		c.recent[era%2]--
	}
}

func (c *crew) nextEra() {
	c.era++
	c.late += c.recent[c.era%2]
	c.recent[c.era%2] = 0
}

// A watch says when an era ends.
type watch struct {
	since time.Time     // when the era began
	usual time.Duration // what a statement took of late
	timer bool          // one runs
}

// span is the length of an era. A server where all takes long is not one where something hangs.
func (w *watch) span(patience time.Duration) time.Duration { return max(patience, 8*w.usual) }

// ended takes note of how long a statement took.
func (w *watch) ended(took time.Duration) {
	if w.usual == 0 {
		w.usual = took
	}
	w.usual += (min(took, 8*w.usual) - w.usual) / 16
}

// look begins the next era when it is time. The caller holds the lock.
func (g *Group[In, Out]) look(now time.Time) {
	if g.Limiter.Patience > 0 && now.Sub(g.watch.since) >= g.watch.span(g.Limiter.Patience) {
		g.single.nextEra()
		g.workers.nextEra()
		g.watch.since = now
	}
}

// keepWatch looks again later if calls wait then, because no other call may come. The caller
// holds the lock.
func (g *Group[In, Out]) keepWatch() {
	if g.Limiter.Patience == 0 || g.watch.timer || g.waiting == 0 {
		return
	}
	g.watch.timer = true
	time.AfterFunc(g.watch.span(g.Limiter.Patience), func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.watch.timer = false
		g.look(time.Now())
		g.wake()
		g.keepWatch()
	})
}
