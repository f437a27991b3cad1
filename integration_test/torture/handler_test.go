package torture_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
)

var (
	registers = [3]sessions.Key[tag]{sessions.NewKey[tag]("a"), sessions.NewKey[tag]("b"), sessions.NewKey[tag]("c")}
	headKey   = sessions.NewKey[head]("head")
)

func look(s *sessions.Session) *view {
	v := &view{ID: s.ID(), New: s.IsNew(), User: s.User()}
	for i, k := range registers {
		v.Values.Reg[i], _ = k.Get(s)
	}
	v.Values.Head, _ = headKey.Get(s)
	return v
}

// A run is one request in its handler.
type run struct {
	*node
	faults bool
	w      http.ResponseWriter
	r      *http.Request
	s      *sessions.Session
	rec    *record
	tags   tag
	fresh  []*event // that made a token which was not sent yet

	// What was changed since the last save.
	id      driver.ID
	stored  bool
	held    int
	changes []mutation
	renew   bool
	login   string
	comes   bool // the sign-in gives the user one more session
	ends    []driver.ID
	others  []driver.ID // that a logout or a sign-in ends too
	unsure  *event      // the failed save of these changes
	taken   bool        // a failed save may have stored the new session, whatever was discarded since
	wrote   bool
	first   int64 // when the first save began
}

func (n *node) serve(w http.ResponseWriter, r *http.Request) {
	rec := recordOf(r.Context())
	rec.ran, rec.entered = true, now()
	x := &run{node: n, faults: n.world.faults, w: w, r: r, rec: rec, s: sessions.FromContext(r.Context())}
	v := look(x.s)
	rec.seen = v
	x.others = rec.given(n.h(), v)
	x.id, x.stored, x.held = v.ID, !v.New, rec.token
	for step := range strings.FieldsSeq(rec.script) {
		word, arg, _ := strings.Cut(step, ":")
		if x.unsure != nil && word != "reload" && word != "discard" {
			continue // what the next save stores is what this one tried to
		}
		x.step(word, arg)
	}
	x.write()
	if x.dirty() && x.unsure == nil && rec.finalErr == nil {
		x.late()
	}
}

func (x *run) next() tag {
	x.tags++
	return tag(x.rec.id)<<6 | x.tags
}

func (x *run) step(word, arg string) {
	reg := 0
	if (word == "set" || word == "del") && arg != "" {
		reg = int(arg[0] - 'a')
	}
	switch word {
	case "set":
		t := x.next()
		registers[reg].Set(x.s, t)
		x.changes = append(x.changes, mutation{'s', reg, t})
	case "del":
		if _, there := registers[reg].Get(x.s); there {
			registers[reg].Delete(x.s)
			x.changes = append(x.changes, mutation{'d', reg, 0})
		}
	case "clear":
		x.s.Clear()
		x.changes = append(x.changes, mutation{what: 'c'})
	case "regen":
		x.s.Regenerate()
		x.renew = x.stored
	case "login":
		x.setUser(arg)
	case "destroy":
		x.s.Destroy()
		x.replaced(true)
	case "save":
		x.commit(func() error { return x.s.Save(x.r.Context()) })
	case "reload":
		x.reload()
	case "discard":
		x.s.Discard()
		x.changes, x.renew, x.login, x.unsure = nil, false, "", nil
	case "touch":
		x.touch()
	case "remember":
		if !x.world.short {
			x.s.SetMaxAge(24 * time.Hour)
		}
	case "pause":
		ms, _ := strconv.Atoi(arg)
		time.Sleep(time.Duration(ms) * time.Millisecond) // the time is what it is about
	case "stream":
		ms, _ := strconv.Atoi(arg)
		x.stream(time.Duration(ms) * time.Millisecond)
	case "write":
		x.write()
	case "panic":
		panic(http.ErrAbortHandler)
	case "list":
		x.list()
	case "why":
		x.why()
	default:
		x.revoke(word, arg)
	}
}

func (x *run) setUser(user string) {
	was := x.s.User()
	x.s.SetUser(user)
	if was != "" && was != user {
		x.replaced(true)
	}
	if user != "" {
		x.login, x.renew, x.comes = user, true, was != user
	}
}

// replaced notes that the request goes on with a new session, if it does.
func (x *run) replaced(certainly bool) {
	id := x.s.ID()
	if id == x.id {
		if certainly && x.stored {
			x.h().violationf("#%d ended %s and still has it", x.rec.id, id)
		}
		if !certainly {
			return
		}
	}
	if x.stored {
		x.ends = append(x.ends, x.id)
	}
	x.ends, x.others = append(x.ends, x.others...), nil
	x.id, x.stored, x.held, x.changes, x.renew, x.login, x.unsure, x.taken = id, false, 0, nil, false, "", nil, false
}

// write sends the first bytes of the answer, and so saves.
func (x *run) write() {
	if x.wrote {
		return
	}
	x.wrote = true
	x.commit(func() error {
		_, err := io.WriteString(x.w, "#"+strconv.FormatUint(x.rec.id, 10)+"\n")
		if err == nil {
			err = http.NewResponseController(x.w).Flush()
		}
		if x.rec.finalErr == nil {
			return nil // it was saved, if there was something to save, and the client has gone
		}
		return err
	})
	if value := sentCookie(x.w.Header()); value != "" {
		x.sent(value)
	} else if len(x.fresh) > 0 && x.stored && x.rec.finalErr == nil {
		x.h().violationf("#%d (%s) has a token that its answer does not carry", x.rec.id, x.rec.script)
	}
}

// sent notes which token the answer carries.
func (x *run) sent(value string) {
	h := x.h()
	if len(x.fresh) > 0 {
		h.bind(value, x.held)
		return
	}
	if value != x.rec.value { // a new token that the script did not ask for
		h.add(&event{
			kind: evRotate, session: x.id, call: x.first, ret: now(), from: x.rec, token: x.held, newToken: h.token(value), result: done,
		})
	}
}

// late notes what was changed after the first byte. The end of the request saves it.
func (x *run) late() {
	x.rec.late = x.begin()
	x.h().add(x.rec.late)
}

func (x *run) reload() {
	call := now()
	err := x.s.Reload(x.r.Context())
	e := &event{kind: evLoad, session: x.id, call: call, ret: now(), from: x.rec, token: x.held}
	switch {
	case err == nil && x.stored:
		e.result, e.seen = done, look(x.s)
		x.h().add(e)
	case errors.Is(err, sessions.ErrEnded):
		e.result = missing
		x.h().add(e)
		return
	case err != nil:
		x.failed("Reload", err)
		return
	}
	x.changes, x.renew, x.login, x.unsure = nil, false, "", nil
}

func (x *run) touch() {
	call := now()
	err := x.s.Touch(x.r.Context())
	e := &event{kind: evTouch, session: x.id, call: call, ret: now(), from: x.rec, token: x.held, result: done}
	switch {
	case err != nil && !errors.Is(err, sessions.ErrEnded):
		x.failed("Touch", err)
		return
	case !x.stored:
		return
	case err != nil:
		e.result = refused
	}
	x.h().add(e)
}

// recordOf returns the record of the request that a context belongs to, or nil.
func recordOf(ctx context.Context) *record {
	rec, _ := ctx.Value(recordKey{}).(*record)
	return rec
}

type recordKey struct{}

func withRecord(r *http.Request, rec *record) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), recordKey{}, rec))
}
