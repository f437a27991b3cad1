package testbed

import (
	"runtime"
	"sync"
)

// Parallel calls f n times at once and waits for all calls.
func Parallel(n int, f func(i int)) {
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { f(i) })
	}
	group.Wait()
}

// Stacks returns the stacks of all goroutines.
func Stacks() string {
	b := make([]byte, 4<<20)
	return string(b[:runtime.Stack(b, true)])
}
