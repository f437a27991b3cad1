package coalesce

// A queue holds calls in the order in which they came. One can leave from anywhere in it,
// at the same cost however long it is.
type queue[In, Out any] struct {
	first, last  *Call[In, Out]
	calls, bytes int
}

func (q *queue[In, Out]) push(c *Call[In, Out]) {
	q.calls, q.bytes = q.calls+1, q.bytes+c.size
	c.queue, c.before = q, q.last
	if q.last == nil {
		q.first = c
	} else {
		q.last.after = c
	}
	q.last = c
}

func (q *queue[In, Out]) remove(c *Call[In, Out]) {
	q.calls, q.bytes = q.calls-1, q.bytes-c.size
	if c.before == nil {
		q.first = c.after
	} else {
		c.before.after = c.after
	}
	if c.after == nil {
		q.last = c.before
	} else {
		c.after.before = c.before
	}
	c.queue, c.before, c.after = nil, nil, nil
}
