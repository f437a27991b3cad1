package torture_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/faultproxy"
	"github.com/sqlsessions/sessions/migrations"
)

// A fault is done to a world, and ends when the function that it returns is called.
type fault struct {
	name  string
	begin func(w *world, r *rand.Rand) (end func(), err error)
}

// A nemesis does faults to a world, one after the other, and counts them.
type nemesis struct {
	*world
	faults []fault
	count  map[string]int
}

func newNemesis(w *world) *nemesis {
	n := &nemesis{world: w, count: map[string]int{}}
	if !w.faults {
		return n
	}
	switch w.admin.Dialect {
	case migrations.SQLite:
		n.faults = []fault{{"the file is locked", holdFile}}
	default:
		n.faults = []fault{
			{"some round trips fail", someFail},
			{"some round trips fail", someFail},
			{"some round trips fail", someFail},
			{"connections are killed", killConnections},
			{"rows are held", holdRows},
			{"connections are reset", resetAll},
		}
		for _, f := range []faultproxy.Fault{
			faultproxy.Refuse, faultproxy.Blackhole, faultproxy.ResetBefore, faultproxy.ResetAfter, faultproxy.LoseAnswer, faultproxy.CutAnswer, faultproxy.Slow,
		} {
			n.faults = append(n.faults, fault{f.String(), oneNode(f)})
		}
		n.faults = append(n.faults, refusals[w.admin.Dialect]...)
		if w.crashes {
			kill := fault{"the server is killed", killServer}
			n.faults = append(n.faults, kill, kill, kill)
		}
	}
	return n
}

// run does faults until ctx ends, and undoes the last one.
func (n *nemesis) run(ctx context.Context, r *rand.Rand) {
	for i := 0; pause(ctx, time.Duration(50+r.IntN(250))*time.Millisecond) && len(n.faults) > 0; i++ {
		f := n.faults[r.IntN(len(n.faults))]
		if n.crashes && i == 0 {
			f = n.faults[len(n.faults)-1] // once in each round, however short
		}
		end, err := f.begin(n.world, r)
		if err != nil {
			continue // the connection that the administrator has was killed too
		}
		n.count[f.name]++
		pause(ctx, time.Duration(20+r.IntN(300))*time.Millisecond)
		end()
	}
}

// pause reports whether ctx goes on after it.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func oneNode(f faultproxy.Fault) func(*world, *rand.Rand) (func(), error) {
	return func(w *world, r *rand.Rand) (func(), error) {
		p := w.nodes[r.IntN(len(w.nodes))].proxy
		p.Set(f)
		return func() {
			p.Set(faultproxy.None)
			if f == faultproxy.Blackhole {
				p.Reset() // nothing would ever arrive on these connections
			}
		}, nil
	}
}

func someFail(w *world, r *rand.Rand) (func(), error) {
	p := w.nodes[r.IntN(len(w.nodes))].proxy
	p.Random(r.Uint64(), 0.02+r.Float64()*0.3, faultproxy.ResetBefore, faultproxy.ResetAfter, faultproxy.LoseAnswer, faultproxy.CutAnswer)
	return func() { p.Random(0, 0) }, nil
}

func resetAll(w *world, _ *rand.Rand) (func(), error) {
	for _, n := range w.nodes {
		n.proxy.Reset()
	}
	return func() {}, nil
}

func killConnections(w *world, _ *rand.Rand) (func(), error) {
	if w.admin.Dialect == migrations.PostgreSQL {
		_, err := w.admin.DB.ExecContext(w.Context(), `
SELECT pg_terminate_backend(pid)
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND random() < 0.5`)
		return func() {}, err
	}
	conn, err := w.admin.DB.Conn(w.Context())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	rows, err := conn.QueryContext(w.Context(), `
SELECT id
FROM information_schema.processlist
WHERE db = DATABASE() AND id <> CONNECTION_ID() AND RAND() < 0.5`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for _, id := range ids {
		_, _ = conn.ExecContext(w.Context(), fmt.Sprintf("KILL %d", id)) // it may have gone by itself
	}
	return func() {}, nil
}

func holdRows(w *world, r *rand.Rand) (func(), error) {
	tx, err := w.admin.DB.BeginTx(w.Context(), nil)
	if err != nil {
		return nil, err
	}
	end := func() { _ = tx.Rollback() }
	rows, err := tx.QueryContext(w.Context(), fmt.Sprintf("SELECT version FROM %s WHERE version > 0 LIMIT %d FOR UPDATE", w.admin.Name, 1+r.IntN(50)))
	if err != nil {
		end()
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
	}
	if err := rows.Err(); err != nil {
		end()
		return nil, err
	}
	return end, nil
}

func holdFile(w *world, _ *rand.Rand) (func(), error) {
	conn, err := w.admin.DB.Conn(w.Context())
	if err != nil {
		return nil, err
	}
	if _, err := conn.ExecContext(w.Context(), "BEGIN IMMEDIATE"); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return func() {
		_, _ = conn.ExecContext(context.Background(), "ROLLBACK")
		_ = conn.Close()
	}, nil
}

// operate does what an operator's machines do: they reap, and time passes for some sessions.
func (r *round) operate(ctx context.Context, random *rand.Rand) {
	aged := map[driver.ID]bool{}
	reaper := &sessions.Reaper{Store: r.admin.Store, NoRest: true, BatchSize: 20}
	for pause(ctx, time.Duration(20+random.IntN(150))*time.Millisecond) {
		id := r.history.sessionOf(r.users[random.IntN(len(r.users))], random.IntN)
		switch random.IntN(4) {
		case 0:
			_, _ = reaper.Sweep(ctx)
		case 1:
			if id != "" && !r.short {
				r.expire(id)
			}
		case 2, 3:
			for range 5 {
				if id := r.history.sessionOf("", random.IntN); id != "" && !aged[id] && (r.rotate || r.replay) {
					aged[id] = true // twice would be sooner than any clock can make it
					_ = r.ageToken(id)
				}
			}
		}
	}
}

// expire makes a session older than its idle timeout.
func (r *round) expire(id driver.ID) {
	call := now()
	e := &event{kind: evEnd, session: id, call: call, ret: never, reason: string(sessions.ReasonIdle)}
	if r.age(id, 25*time.Hour) == nil {
		e.ret = now()
	}
	r.history.add(e)
}

// age makes a row older.
func (r *round) age(id driver.ID, d time.Duration) error {
	var set []string
	for _, column := range []string{
		"created_at", "absolute_expires_at", "expires_at", "seen_at", "reap_after",
		"authenticated_at", "verifier_at", "ended_at", "keep_until", "previous_until",
	} {
		set = append(set, column+" = "+r.earlier(column, d))
	}
	return r.update(id, strings.Join(set, ", "))
}

// ageToken makes a session's token older.
func (r *round) ageToken(id driver.ID) error {
	return r.update(id, "verifier_at = "+r.earlier("COALESCE(verifier_at, created_at)", 2*time.Minute))
}

// earlier is a time that d was before another.
func (r *round) earlier(than string, d time.Duration) string {
	return fmt.Sprintf(map[migrations.Dialect]string{
		migrations.PostgreSQL: "%s - interval '%d milliseconds'",
		migrations.MySQL:      "%s - INTERVAL %d * 1000 MICROSECOND",
		migrations.SQLite:     "%s - %d",
	}[r.admin.Dialect], than, d.Milliseconds())
}

func (r *round) update(id driver.ID, set string) error {
	_, err := r.admin.DB.ExecContext(r.Context(), "UPDATE "+r.admin.Name+" SET "+set+" WHERE id = "+r.admin.Literal(id))
	if err != nil {
		return fmt.Errorf("update %s: %w", id, err)
	}
	return nil
}
