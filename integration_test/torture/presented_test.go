package torture_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"

	"github.com/sqlsessions/sessions/driver"
)

// A cookie is one that a request presents. There may be two of one name, as from before and
// after the application's Domain was set.
type cookie struct {
	value   string
	token   int // its number
	session driver.ID
	load    *event // nil: not asked for, or not known
	old     bool   // it was replaced for its age
}

// second returns a cookie that comes with a jar's own, or "": an older one, or that of
// another jar.
func (r *round) second(random *rand.Rand, first string) string {
	if first == "" || random.IntN(8) != 0 {
		return ""
	}
	other := r.jars[random.IntN(len(r.jars))]
	if random.IntN(4) != 0 {
		return other.cookie(random)
	}
	return other.earlier(random)
}

// A watched store notes what became of the cookies of each request, before its handler runs.
type watched struct{ driver.Store }

func (s watched) Load(ctx context.Context, ref driver.Ref) (driver.Row, error) {
	call := now()
	row, err := s.Store.Load(ctx, ref)
	rec := recordOf(ctx)
	if rec == nil || rec.ran {
		return row, err
	}
	for _, c := range rec.cookies {
		if c.load != nil || c.session != ref.ID {
			continue // the tokens of one session are asked for in their order
		}
		e := &event{kind: evLoad, session: c.session, call: call, ret: now(), from: rec, token: c.token}
		switch {
		case err == nil:
			e.result, e.seen = done, &view{ID: row.ID, User: row.User, Values: decode(row.Data)}
		case errors.Is(err, driver.ErrNotFound):
			e.result = missing
		}
		c.load, c.old = e, row.Previous
		break
	}
	return row, err
}

// Touch notes a failure, because no request fails with it.
func (s watched) Touch(ctx context.Context, req driver.TouchRequest) (driver.SaveResult, error) {
	result, err := s.Store.Touch(ctx, req)
	if rec := recordOf(ctx); rec != nil && err != nil && !errors.Is(err, driver.ErrNotFound) {
		rec.untouched = true
	}
	return result, err
}

// given checks which session the request was given, by what its cookies open: that of the only
// one that opens something, or none. If they open several, all of them end with a logout or a
// sign-in, and are returned.
func (rec *record) given(h *history, v *view) (others []driver.ID) {
	var live []*cookie
	for _, c := range rec.cookies {
		switch e := c.load; {
		case e == nil:
			h.violationf("#%d presented %s, and the store was not asked for it", rec.id, c.session)
		case e.result == unknown:
			h.violationf("#%d runs, although it is not known whether %s is live", rec.id, c.session)
		case e.result == done:
			i := slices.IndexFunc(live, func(l *cookie) bool { return l.session == c.session })
			switch {
			case i < 0:
				live = append(live, c)
			case !c.old: // of two tokens of one session the request is given the newer one
				live[i] = c
			}
			fallthrough
		default:
			h.add(e)
		}
	}
	switch {
	case len(live) == 1 && live[0].session == v.ID && !v.New:
		rec.cookie, live[0].load.seen = *live[0], v
	case len(live) == 1:
		h.violationf("#%d presented the token of %s and was given %+v", rec.id, live[0].session, v)
	case !v.New || v.User != "" || v.Values != values{}:
		h.violationf("#%d presented %d sessions and was given one that is not empty: %+v", rec.id, len(live), v)
	default:
		for _, c := range live {
			others = append(others, c.session)
		}
		slices.Sort(others)
	}
	return slices.Compact(others)
}
