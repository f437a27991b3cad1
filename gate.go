package sessions

import (
	"context"
	"hash/maphash"
	"time"

	"github.com/sqlsessions/sessions/driver"
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

func (g *gate) enter(ctx context.Context, id driver.ID) (leave func(), err error) {
	slot := g[maphash.String(gateSeed, string(id))%uint64(len(g))]
	select {
	case slot <- struct{}{}:
		return func() { <-slot }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
