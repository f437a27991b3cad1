package handover_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// newPair starts both applications on a table of the test's own.
func newPair(t *testing.T, d *database, name string, change ...func(*config)) *run {
	t.Helper()
	c := configs[0]
	c.name = name
	for _, f := range change {
		f(&c)
	}
	return newRun(t, d, &c, nil)
}

// in returns the run for a test in the test.
func (r *run) in(t *testing.T) *run {
	t.Helper()
	inner := *r
	inner.T = t
	return &inner
}

// newSession makes one on a side and returns its Cookie header and its id.
func (r *run) newSession(on *side, ops ...op) (header, sid string) {
	r.Helper()
	reply := on.must(r.T, "live", request{ops: append(ops, set("who", `"someone"`))})
	l, err := sessionLine(reply, r.cookieName())
	testbed.Check(r.T, err)
	if l == nil {
		r.Fatalf("%s sent no cookie", on.name)
	}
	sid, _ = readCookie(l.value, r.secrets)
	return r.cookieName() + "=" + l.value, sid
}

func set(key, value string) op { return op{Op: "set", Key: key, Value: json.RawMessage(value)} }

// slowly sends a request that waits between its two lists of operations, and
// returns when it does. The function returned lets it go on, and returns its answer.
func (r *run) slowly(on *side, header string, first, then []op) (goOn func() reply) {
	r.Helper()
	ops := append(append(first, op{Op: "wait", Key: r.Name()}), then...)
	done, failed := make(chan reply, 1), make(chan error, 1)
	go func() {
		reply, err := on.send(r.Context(), "live", request{cookie: header, ops: ops})
		if err != nil {
			failed <- err
			return
		}
		done <- reply
	}()
	open := func() { close(r.goApp.gate(r.Name()).opened) }
	if on == &r.nodeApp.side {
		open = func() { r.nodeApp.call(r.T, "/open", []string{r.Name()}) }
		r.nodeApp.call(r.T, "/reached", []string{r.Name()})
	} else {
		select {
		case <-r.goApp.gate(r.Name()).reached:
		case err := <-failed:
			r.Fatal(err)
		case reply := <-done:
			r.Fatalf("it did not wait: %+v", reply)
		}
	}
	return func() reply {
		r.Helper()
		open()
		select {
		case err := <-failed:
			r.Fatal(err)
		case reply := <-done:
			return reply
		}
		return reply{}
	}
}

// wants checks what both applications see of a session; nil is none.
func (r *run) wants(header string, want values) {
	r.Helper()
	for _, on := range []*side{&r.goApp.side, &r.nodeApp.side} {
		got := values(on.must(r.T, "live", request{cookie: header}).End.Data)
		if what := got.differs(want); what != "" {
			r.Errorf("%s sees that %s", on.name, what)
		}
	}
}

// Parallel requests of Go programs lose nothing while Node reads the session.
func TestParallelGoRequestsWhileNodeReads(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		const writers, times = 12, 5
		r := newPair(t, d, "parallel")
		header, sid := r.newSession(&r.nodeApp.side)
		want := values{"who": json.RawMessage(`"someone"`), "n": json.RawMessage(strconv.Itoa(writers * times))}
		var writing, reading sync.WaitGroup
		stop := make(chan struct{})
		for i := range writers {
			key := fmt.Sprint("key", i)
			want[key] = json.RawMessage(strconv.Itoa(times - 1))
			writing.Go(func() {
				for n := range times {
					reply, err := r.goApp.send(t.Context(), "live", request{cookie: header, ops: []op{{Op: "add", Key: "n"}, set(key, strconv.Itoa(n))}})
					if err != nil || reply.status != http.StatusOK {
						t.Errorf("a parallel request: %v %d %s", err, reply.status, reply.body)
					}
				}
			})
		}
		reads := 0
		reading.Go(func() {
			for {
				reply, err := r.nodeApp.send(t.Context(), "live", request{cookie: header})
				if err != nil || reply.End.ID != idOf(sid) || string(reply.End.Data["who"]) != `"someone"` {
					t.Errorf("Node reads %+v: %v", reply, err)
					return
				}
				reads++
				select {
				case <-stop:
					return
				default:
				}
			}
		})
		writing.Wait()
		close(stop)
		reading.Wait()
		r.wants(header, want)
		t.Logf("%d writes of %d parallel Go requests, %d reads of Node", writers*times, writers, reads)
	})
}

// A slow Go request adds its change to what Node wrote in the meantime.
func TestSlowGoRequestKeepsWhatNodeWrote(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		r := newPair(t, d, "merge")
		header, _ := r.newSession(&r.goApp.side)
		goOn := r.slowly(&r.goApp.side, header, []op{set("mine", "1")}, []op{set("too", "2")})
		r.nodeApp.must(t, "live", request{cookie: header, ops: []op{set("yours", "3")}})
		if reply := goOn(); reply.status != http.StatusOK {
			t.Errorf("it was answered %d", reply.status)
		}
		r.wants(header, values{"who": json.RawMessage(`"someone"`), "mine": json.RawMessage("1"), "too": json.RawMessage("2"), "yours": json.RawMessage("3")})
	})
}

// What Node ends while a Go request runs stays ended, and the request gets an error.
func TestNodeEndsSessionOfSlowGoRequest(t *testing.T) {
	tests := []struct {
		name        string
		first, then []op
		status      int
	}{
		{"writes before", []op{set("a", "1")}, nil, http.StatusConflict},
		{"writes after", nil, []op{set("a", "1")}, http.StatusConflict},
		{"changes the cookie", nil, []op{{Op: "cookie", Key: "maxAge", Value: json.RawMessage("60000")}}, http.StatusConflict},
		{"touches", nil, []op{{Op: "touch"}}, http.StatusOK},
		{"reads", nil, nil, http.StatusOK},
	}
	each(t, func(t *testing.T, d *database) {
		pair := newPair(t, d, "ended")
		for _, how := range []string{"destroy", "regenerate"} {
			for _, test := range tests {
				t.Run(how+" "+test.name, func(t *testing.T) {
					r := pair.in(t)
					header, sid := r.newSession(&r.goApp.side)
					goOn := r.slowly(&r.goApp.side, header, test.first, test.then)
					r.nodeApp.must(t, "live", request{cookie: header, ops: []op{{Op: how}}})
					reply := goOn()
					if reply.status != test.status || len(reply.cookies) != 0 {
						t.Errorf("it was answered %d with the cookies %q, want %d and none", reply.status, reply.cookies, test.status)
					}
					if row, back := r.live.rows(t)[sid]; back {
						t.Errorf("it came back: %+v", row)
					}
				})
			}
		}
	})
}

// The other way about there is a limit: express-session writes the whole session,
// over whatever is there, and so a slow Node request that changed something brings back
// what Go ended, and takes back what Go changed.
func TestLimitSlowNodeRequest(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		pair := newPair(t, d, "limit")
		t.Run("brings back", func(t *testing.T) {
			r := pair.in(t)
			header, sid := r.newSession(&r.goApp.side)
			goOn := r.slowly(&r.nodeApp.side, header, []op{set("a", "1")}, nil)
			r.goApp.must(t, "live", request{cookie: header, ops: []op{{Op: "destroy"}}})
			if row, there := r.live.rows(t)[sid]; there {
				t.Fatalf("it is not gone: %+v", row)
			}
			goOn()
			r.wants(header, values{"who": json.RawMessage(`"someone"`), "a": json.RawMessage("1")})
		})
		t.Run("overwrites", func(t *testing.T) {
			r := pair.in(t)
			header, _ := r.newSession(&r.goApp.side)
			goOn := r.slowly(&r.nodeApp.side, header, []op{set("a", "1")}, nil)
			r.goApp.must(t, "live", request{cookie: header, ops: []op{set("lost", "2")}})
			goOn()
			r.wants(header, values{"who": json.RawMessage(`"someone"`), "a": json.RawMessage("1")})
		})
		t.Run("only reads", func(t *testing.T) {
			r := pair.in(t)
			header, sid := r.newSession(&r.goApp.side)
			goOn := r.slowly(&r.nodeApp.side, header, nil, nil)
			r.goApp.must(t, "live", request{cookie: header, ops: []op{{Op: "destroy"}}})
			goOn()
			if row, back := r.live.rows(t)[sid]; back {
				t.Errorf("it came back: %+v", row)
			}
		})
	})
}

// A user that Go put into a session stays in it while Node saves it, and is found by it.
func TestUserSurvivesNode(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		r := newPair(t, d, "user")
		header, sid := r.newSession(&r.goApp.side, op{Op: "user", Key: `ann "😀" o'neil`})
		reply := r.nodeApp.must(t, "live", request{cookie: header, ops: []op{set("cart", "[1]"), {Op: "delete", Key: "who"}}})
		if got := string(reply.End.Data["$user"]); got != `"ann \"😀\" o'neil"` {
			t.Errorf("Node sees the user %s", got)
		}
		store := r.live.store(t)
		found, err := store.List(t.Context(), driver.ListRequest{User: `ann "😀" o'neil`, Limit: 10})
		testbed.Check(t, err)
		if len(found) != 1 || string(found[0].ID) != idOf(sid) {
			t.Errorf("the user has the sessions %v, want one", found)
		}
		if ended, err := store.EndAll(t.Context(), driver.EndAllRequest{User: `ann "😀" o'neil`, Limit: 10}); ended.Ended != 1 || err != nil {
			t.Errorf("EndAll: %+v, %v", ended, err)
		}
		if got := r.nodeApp.must(t, "live", request{cookie: header}); got.End.ID == idOf(sid) {
			t.Error("Node still has the session")
		}
	})
}
