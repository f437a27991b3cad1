// Package within tells whether code was called from inside of a certain function.
package within

import (
	"reflect"
	"runtime"
	"sync/atomic"
)

// A Func is code that calls functions which may call back. It is safe for concurrent use.
type Func struct{ running atomic.Int32 }

// Run runs f.
func (w *Func) Run(f func()) {
	w.running.Add(1)
	defer w.running.Add(-1)
	f()
}

// runName is how a stack shows Run.
var runName = runtime.FuncForPC(reflect.ValueOf((*Func).Run).Pointer()).Name()

// Inside reports whether the caller runs inside of Run, if Run runs at all. Other
// goroutines may run at the same time, so it takes a look at the stack of this one.
func (w *Func) Inside() bool {
	if w.running.Load() == 0 {
		return false
	}
	pcs := make([]uintptr, 64)
	n := runtime.Callers(0, pcs)
	for n == len(pcs) {
		pcs = make([]uintptr, 2*len(pcs))
		n = runtime.Callers(0, pcs)
	}
	frames := runtime.CallersFrames(pcs[:n])
	for {
		frame, more := frames.Next()
		if frame.Function == runName {
			return true
		}
		if !more {
			return false
		}
	}
}
