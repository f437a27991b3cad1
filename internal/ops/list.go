package ops

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
)

// A List holds what a request did, in the order in which it is applied. Of each name it has
// only what still counts. Its zero value is empty.
type List struct {
	ops     []Op             // those with the kind gone do not count any more
	live    int              // how many do
	cleared bool             // one of them is a Clear
	places  map[string][]int // by name; nil while there are few
}

const (
	few = 16 // are looked through one by one

	gone Kind = -1
)

// Len returns how many operations count.
func (l *List) Len() int { return l.live }

// Clone returns a copy that does not change when l does.
func (l *List) Clone() List {
	c := *l
	c.ops, c.places = slices.Clone(l.ops), maps.Clone(l.places)
	for name, places := range c.places {
		c.places[name] = slices.Clone(places)
	}
	return c
}

// SetsCookie reports whether the cookie's attributes are changed.
func (l *List) SetsCookie() bool {
	return slices.ContainsFunc(l.ops, func(o Op) bool { return o.Kind == Cookie })
}

// Record applies o to now and adds it. It reports false if o changes nothing.
func (l *List) Record(now Contents, o Op) (Contents, bool) {
	if raw := now.Doc.Get(o.Name); !l.cleared && !l.has(o.Name) {
		// Nothing changes, so nothing needs to be written, nor to win over what
		// another request makes of the value.
		switch o.Kind {
		case Set, Cookie:
			if raw != nil && bytes.Equal(raw, o.Raw) {
				return now, false
			}
		case Delete:
			if raw == nil {
				return now, false
			}
		case Update, Clear:
		}
	}
	if l.live == 0 {
		now.Doc = now.Doc.Clone() // it was the base until now
	}
	switch o.Kind {
	case Set, Delete, Cookie: // no matter what came before on this name
		l.remove(o.Name)
	case Clear:
		*l = l.only(func(p *Op) bool { return p.Kind == Cookie })
	case Update:
	}
	l.append(o)
	return o.apply(now), true
}

// Append adds what was done later.
func (l *List) Append(later List) {
	for i := range later.ops {
		if later.ops[i].Kind != gone {
			l.append(later.ops[i])
		}
	}
}

// Replay applies the operations to a copy of base.
func (l *List) Replay(base Contents) (Contents, error) {
	now := Contents{base.Doc.Clone(), base.Cookie}
	for _, o := range l.ops {
		if o.Kind == gone {
			continue
		}
		if o.Replay != nil {
			raw, err := o.Replay(now.Doc.Get(o.Name))
			if err != nil {
				return Contents{}, fmt.Errorf("sessions: update %q: %w", o.Name, err)
			}
			o.Raw = raw
		}
		now = o.apply(now)
	}
	return now, nil
}

func (l *List) has(name string) bool {
	if l.places != nil {
		return len(l.places[name]) > 0
	}
	return slices.ContainsFunc(l.ops, func(o Op) bool { return o.Kind != gone && o.Name == name })
}

func (l *List) append(o Op) {
	l.ops = append(l.ops, o)
	l.live++
	l.cleared = l.cleared || o.Kind == Clear
	switch {
	case l.places != nil:
		l.places[o.Name] = append(l.places[o.Name], len(l.ops)-1)
	case len(l.ops) > few:
		l.places = make(map[string][]int, 2*few)
		for i := range l.ops {
			if name := l.ops[i].Name; l.ops[i].Kind != gone {
				l.places[name] = append(l.places[name], i)
			}
		}
	}
}

// remove takes out what was done to a name.
func (l *List) remove(name string) {
	if l.places == nil {
		l.ops = slices.DeleteFunc(l.ops, func(o Op) bool { return o.Name == name })
		l.live = len(l.ops)
		return
	}
	for _, i := range l.places[name] {
		l.ops[i] = Op{Kind: gone}
		l.live--
	}
	if delete(l.places, name); 2*l.live < len(l.ops) {
		*l = l.only(func(*Op) bool { return true })
	}
}

// only returns a copy with the operations for which keep returns true.
func (l *List) only(keep func(*Op) bool) (kept List) {
	for i := range l.ops {
		if o := &l.ops[i]; o.Kind != gone && keep(o) {
			kept.append(*o)
		}
	}
	return kept
}
