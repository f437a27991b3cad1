package sessions

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"time"
)

// An op is one change of a request. The ops of a request are kept until they
// are saved, because when another request saved first they are applied again,
// on top of what that one left.
type op struct {
	kind opKind
	name string
	raw  json.RawMessage // what set and update put there
	// replay computes raw anew from the value that another request left, or nil.
	replay func(json.RawMessage) (json.RawMessage, error)
}

type opKind int

const (
	opSet opKind = iota
	opUpdate
	opDelete
	opClear // all values
)

func (o *op) apply(d document) document {
	switch o.kind {
	case opSet, opUpdate:
		return d.with(o.name, o.raw)
	case opDelete:
		return d.without(o.name)
	default:
		return slices.DeleteFunc(d, func(m member) bool { return !m.reserved() })
	}
}

// record applies o and keeps it for the next save. s.mu is held.
func (s *Session) record(o op) {
	ops := s.pending.ops
	earlier := slices.ContainsFunc(ops, func(p op) bool { return p.name == o.name || p.name == "" })
	if raw, ok := s.state.now.get(o.name); !earlier {
		// Nothing changes, so nothing needs to be written, nor to win over
		// what another request makes of the value meanwhile.
		if o.kind == opSet && ok && bytes.Equal(raw, o.raw) || o.kind == opDelete && !ok {
			return
		}
	}
	if len(ops) == 0 {
		s.state.now = slices.Clone(s.state.now) // it was the base until now
	}
	switch o.kind {
	case opSet, opDelete: // no matter what came before on this name
		ops = slices.DeleteFunc(ops, func(p op) bool { return p.name == o.name })
	case opClear:
		ops = nil
	}
	ops = append(ops, o)
	s.state.now, s.pending.ops = o.apply(s.state.now), ops
	s.generation++
}

// update records what f made of a value, unless the session changed since
// peek returned that generation.
func (s *Session) update(name string, generation int, raw json.RawMessage, f func(json.RawMessage) (json.RawMessage, error)) bool {
	if err := s.manager.protocol.Check(name); err != nil {
		s.refuse(name, err)
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.generation != generation {
		return false
	}
	s.record(op{kind: opUpdate, name: name, raw: raw, replay: f})
	return true
}

// replay applies ops to a copy of base.
func replay(base document, ops []op) (document, error) {
	d := slices.Clone(base)
	for i := range ops {
		o := ops[i]
		if o.replay != nil {
			old, _ := d.get(o.name)
			raw, err := o.replay(old)
			if err != nil {
				return nil, fmt.Errorf("sessions: update %q: %w", o.name, err)
			}
			o.raw = raw
		}
		d = o.apply(d)
	}
	return d, nil
}

const (
	// maxTries bounds how often one save meets another's. Within a process the gate lets
	// one loser at a time try again, so only other machines can use them up.
	maxTries = 40
	maxPause = 20 * time.Millisecond
)

// A gate admits one retrying request at a time for a session: if all losers of
// a round raced again, the last of n would need n tries. Sessions share slots,
// which only costs them a wait.
type gate [64]chan struct{}

var gateSeed = maphash.MakeSeed()

func newGate() *gate {
	var g gate
	for i := range g {
		g[i] = make(chan struct{}, 1)
	}
	return &g
}

func (g *gate) enter(ctx context.Context, id ID) (leave func(), err error) {
	slot := g[maphash.String(gateSeed, string(id))%uint64(len(g))]
	select {
	case slot <- struct{}{}:
		return func() { <-slot }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// merged runs write, and as long as another request got there first, puts the
// commit's changes on top of what that one saved and runs write again.
func (c *commit) merged(ctx context.Context, write func(context.Context) error) error {
	err := write(ctx)
	if !errors.Is(err, ErrConflict) {
		return err
	}
	leave, gateErr := c.manager.gate.enter(ctx, c.state.row.ID)
	if gateErr != nil {
		return err
	}
	defer leave()
	for try := 0; errors.Is(err, ErrConflict) && try < maxTries; try++ {
		if try > 0 {
			pause := time.Duration(rand.Int64N(int64(min(maxPause, time.Millisecond<<min(try, 10)))))
			if sleep(ctx, pause) != nil {
				return err
			}
		}
		if changed, rebaseErr := c.rebase(ctx); rebaseErr != nil || !changed {
			return rebaseErr
		}
		err = write(ctx)
	}
	return err
}

// rebase loads the row again and puts the commit's changes on top of it. It
// reports whether they still change anything.
func (c *commit) rebase(ctx context.Context) (changed bool, err error) {
	theirs, err := c.manager.load(ctx, c.state.row.Ref)
	if err != nil {
		return false, err
	}
	now, err := replay(theirs.base, c.changes.ops)
	if err != nil {
		return false, err
	}
	st := &c.state
	st.row, st.base, st.now = theirs.row, theirs.base, now
	if !c.changes.user {
		st.user = theirs.user
	}
	return c.changes.renew != renewNone || c.dirty(), nil
}
