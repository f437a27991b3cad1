// Package watch ends contexts when the rows that they stand for have ended. One
// statement an interval asks for all of them, however many there are.
package watch

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/sqlsessions/sessions/driver"
)

const (
	// maxRefs is how many rows one statement asks for.
	maxRefs = 20_000
	// minPause is the shortest time between two statements, however often Wake is called.
	minPause = 100 * time.Millisecond
)

// Options say how a Watch asks and what it does with the answer. All are required.
type Options struct {
	Endings  func(context.Context, []driver.Ref) ([]driver.Ending, error) // as in [driver.Store]
	Cause    func(driver.Ending) error                                    // what a context ends with
	Failed   func(error)                                                  // called once an outage
	Interval time.Duration                                                // between two statements, at most
	Timeout  time.Duration                                                // of each statement
}

// A Watch has a goroutine only while there are contexts to end. It is safe for concurrent
// use.
type Watch struct {
	options Options
	signal  chan struct{} // something below has changed

	mu      sync.Mutex
	entries map[driver.ID]*Entry // the first of those with this ID
	running bool
	woken   bool

	// Of the goroutine.
	asked   time.Time
	failing bool
}

// An Entry is a context that a Watch ends. A nil one is none, and its methods do nothing.
type Entry struct {
	context.Context //nolint:containedctx // it is one

	watch   *Watch
	end     context.CancelCauseFunc
	release func() bool // keeps the end of the context from being noticed

	// Guarded by the watch's mu.
	ref        driver.Ref
	next, prev *Entry // with the same ID
	linked     bool   // it is in entries
	held, over bool
}

// New returns a Watch of nothing.
func New(o Options) *Watch {
	return &Watch{options: o, signal: make(chan struct{}, 1), entries: map[driver.ID]*Entry{}}
}

// Add returns a context that ends with parent and when the row has ended.
func (w *Watch) Add(parent context.Context, ref driver.Ref) *Entry {
	e := &Entry{watch: w, ref: ref}
	e.Context, e.end = context.WithCancelCause(parent)
	w.mu.Lock()
	defer w.mu.Unlock()
	e.link()
	e.release = context.AfterFunc(e.Context, e.forget)
	return e
}

// Ended ends the contexts of a row that has ended.
func (w *Watch) Ended(id driver.ID, cause error) {
	w.mu.Lock()
	var ended []*Entry
	for e := w.entries[id]; e != nil; e = w.entries[id] {
		e.unlink()
		e.over = true
		ended = append(ended, e)
	}
	w.mu.Unlock()
	for _, e := range ended {
		e.release()
		e.end(cause)
	}
}

// Wake asks at once, because many rows have ended.
func (w *Watch) Wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running {
		w.woken = true
		w.notify()
	}
}

// Hold leaves the context alone while its row gets another ID, until Resume.
func (e *Entry) Hold() {
	if e == nil {
		return
	}
	e.watch.mu.Lock()
	defer e.watch.mu.Unlock()
	e.held = true
	e.unlink()
}

// Resume undoes Hold. The row has the ref by now, or the one it had if ref is zero.
func (e *Entry) Resume(ref driver.Ref) {
	if e == nil {
		return
	}
	e.watch.mu.Lock()
	defer e.watch.mu.Unlock()
	if !e.held || e.over {
		return
	}
	e.held = false
	if ref.ID != "" {
		e.ref = ref
	}
	e.link()
}

// forget is called when the context has ended with its parent.
func (e *Entry) forget() {
	e.watch.mu.Lock()
	defer e.watch.mu.Unlock()
	e.over = true
	e.unlink()
}

func (e *Entry) link() {
	w := e.watch
	e.next, e.prev, e.linked = w.entries[e.ref.ID], nil, true
	if e.next != nil {
		e.next.prev = e
	}
	w.entries[e.ref.ID] = e
	if !w.running {
		w.running = true
		go w.run()
	}
}

func (e *Entry) unlink() {
	if !e.linked {
		return
	}
	w := e.watch
	switch {
	case e.prev != nil:
		e.prev.next = e.next
	case e.next != nil:
		w.entries[e.ref.ID] = e.next
	default:
		delete(w.entries, e.ref.ID)
	}
	if e.next != nil {
		e.next.prev = e.prev
	}
	e.next, e.prev, e.linked = nil, nil, false
	if len(w.entries) == 0 {
		w.notify()
	}
}

func (w *Watch) notify() {
	select {
	case w.signal <- struct{}{}:
	default:
	}
}

// run asks at each interval until there is nothing left to ask for.
func (w *Watch) run() {
	timer := time.NewTimer(w.pause())
	defer timer.Stop()
	for {
		due := false
		select {
		case <-timer.C:
			due = true
		case <-w.signal:
		}
		refs, woken := w.refs()
		switch {
		case refs == nil:
			return
		case due:
			w.asked = time.Now()
			err := w.ask(refs)
			if err != nil && !w.failing {
				w.options.Failed(err)
			}
			w.failing = err != nil
			next := w.pause()
			if err == nil { // endings are found in time even if the answer takes long
				next -= time.Since(w.asked)
			}
			timer.Reset(max(next, 0))
		case woken:
			timer.Reset(minPause - time.Since(w.asked))
		}
	}
}

// refs returns what to ask for, and whether Wake was called since the last time. If there
// is nothing, the goroutine has to end.
func (w *Watch) refs() (refs []driver.Ref, woken bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	woken, w.woken = w.woken, false
	if len(w.entries) == 0 {
		w.running = false
		return nil, false
	}
	refs = make([]driver.Ref, 0, len(w.entries))
	for _, e := range w.entries {
		refs = append(refs, e.ref)
	}
	return refs, woken
}

func (w *Watch) ask(refs []driver.Ref) error {
	for some := range slices.Chunk(refs, maxRefs) {
		ctx, stop := context.WithTimeout(context.Background(), w.options.Timeout)
		endings, err := w.options.Endings(ctx, some)
		stop()
		if err != nil {
			return err
		}
		for i := range endings {
			w.Ended(endings[i].ID, w.options.Cause(endings[i]))
		}
	}
	return nil
}

// pause is the interval, up to a tenth shorter, so that machines do not ask together.
func (w *Watch) pause() time.Duration {
	return w.options.Interval - rand.N(w.options.Interval/10)
}
