package handover_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/integration_test/servers"
	"github.com/sqlsessions/sessions/integration_test/testbed"
)

// A badRow is what some other program, or a bug, has left in the table.
type badRow struct {
	name string
	text string
	sid  string // of its own, "" for any
	only servers.Engine

	refused bool     // Go answers 500 to all requests
	node    int      // what Node answers to a request that only reads; 0 is nothing at all
	data    string   // what Go reads, "" for a new session in its place
	write   int      // what Go answers to a request that changes something
	taken   []string // names that Node takes out
}

const plainCookie = `"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"}`

func badRows(postgres bool) []badRow {
	const ok, broken = http.StatusOK, http.StatusInternalServerError
	return []badRow{
		{name: "no cookie", text: `{"a":1}`, node: broken, write: ok},
		{name: "cookie is null", text: `{"cookie":null,"a":1}`, node: broken, write: ok},
		{name: "cookie is text", text: `{"cookie":"x","a":1}`, node: broken, write: ok},
		{name: "null", text: `null`, node: ok, write: ok},
		{name: "array", text: `[1,2]`, node: broken, write: ok},
		{name: "text", text: `"hello"`, node: map[bool]int{true: ok, false: broken}[postgres], write: ok},
		{name: "number", text: `5`, node: broken, write: ok},
		{name: "damaged", text: `{` + plainCookie + `,"a":`, only: servers.MySQL, node: broken, write: ok},
		{name: "empty", text: ``, only: servers.MySQL, node: broken, write: ok},
		{name: "age is text", text: `{"cookie":{"originalMaxAge":"60000","expires":null},"a":1}`, write: ok},
		{name: "two of a name", text: `{` + plainCookie + `,"a":1,"a":2}`, node: ok, write: ok},

		{name: "empty cookie", text: `{"cookie":{},"a":1}`, node: ok, data: `{"a":1}`, write: ok},
		{name: "unknown attributes", text: `{"cookie":{"colour":"red","expires":null,"originalMaxAge":null},"a":1}`, node: ok, data: `{"a":1}`, write: ok},
		{name: "half a surrogate", text: `{` + plainCookie + `,"a":"x\ud800y","\udc00":1}`, node: ok, data: `{"a":"x\ud800y","\udc00":1}`, write: ok},
		{name: "NUL", text: `{` + plainCookie + `,"a":"\u0000"}`, node: ok, data: `{"a":"\u0000"}`, write: ok},
		{
			name: "deep", text: `{` + plainCookie + `,"a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`, node: ok, write: ok,
			data: `{"a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`,
		},
		{
			name: "far away", text: `{"cookie":{"originalMaxAge":3155760000000,"expires":"2126-11-23T00:00:00.000Z","httpOnly":true,"path":"/"},"a":1}`,
			node: ok, data: `{"a":1}`, write: ok,
		},
		{
			name: "reserved names", text: `{` + plainCookie + `,"save":1,"toString":"x","a":1}`, node: ok, data: `{"save":1,"toString":"x","a":1}`, write: ok,
			taken: []string{"save", "toString"},
		},
		{name: "white space", text: " {\n \"a\" : [ 1 , 2 ] ,\t" + plainCookie + " }\n", node: ok, data: `{"a":[ 1 , 2 ]}`, write: ok},
		{
			name: "100 KB", text: `{` + plainCookie + `,"a":"` + strings.Repeat("é", 50_000) + `"}`, node: ok,
			data: `{"a":"` + strings.Repeat("é", 50_000) + `"}`, write: broken,
		},
		{name: "2 MB", text: `{` + plainCookie + `,"a":"` + strings.Repeat("é", 1<<20) + `"}`, node: ok, refused: true},
		{name: "long id", text: `{` + plainCookie + `,"a":1}`, sid: strings.Repeat("i", 255), only: servers.PostgreSQL, node: ok, data: `{"a":1}`, write: ok},
		{name: "strange id", text: `{` + plainCookie + `,"a":1}`, sid: "%foo bar/é.x; \"", node: ok, data: `{"a":1}`, write: ok},
	}
}

// What is wrong with a row never brings a Go program down, and a row that Go
// can't use it leaves as it is.
func TestBadRows(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		pair := newPair(t, d, "bad")
		for i, bad := range badRows(d.engine == servers.PostgreSQL) {
			if bad.only != "" && bad.only != d.engine {
				continue
			}
			t.Run(bad.name, func(t *testing.T) {
				sid := bad.sid
				if sid == "" {
					sid = fmt.Sprintf("bad-%d", i)
				}
				pair.in(t).tryRow(bad, sid)
			})
		}
	})
}

// refuses looks whether Go answers 500 to each request, and leaves the row to Node.
func (r *run) refuses(bad badRow, sid, header string) {
	r.Helper()
	before := r.live.rows(r.T)[sid].text
	for _, ops := range [][]op{nil, {set("b", "2")}} {
		answer, err := r.goApp.send(r.Context(), "live", request{cookie: header, ops: ops})
		testbed.Check(r.T, err)
		if answer.status != http.StatusInternalServerError {
			r.Errorf("Go answers %d to %d changes: %s", answer.status, len(ops), answer.body)
		}
	}
	r.unchanged(sid, before)
	r.nodeReads(bad, sid, header, nil)
}

func (r *run) tryRow(bad badRow, sid string) {
	r.Helper()
	header := r.cookieName() + "=" + sign(sid, r.secrets[0])
	r.live.put(r.T, sid, bad.text, 80_000)
	defer r.live.exec(r.T, "DELETE FROM $TABLE WHERE $SID = ?", sid)
	before := r.live.rows(r.T)[sid].text
	want := values{}
	if bad.data != "" {
		testbed.Check(r.T, json.Unmarshal([]byte(bad.data), &want))
	}

	if bad.refused {
		r.refuses(bad, sid, header)
		return
	}
	got := r.goApp.must(r.T, "live", request{cookie: header})
	if what := values(got.End.Data).differs(want); what != "" {
		r.Errorf("Go reads that %.200s", what)
	}
	if usable := got.End.ID == idOf(sid); usable != (bad.data != "") {
		r.Errorf("Go takes it for usable: %v", usable)
	}
	r.unchanged(sid, before)
	if bad.data != "" {
		r.nodeReads(bad, sid, header, want)
	}
	wrote, err := r.goApp.send(r.Context(), "live", request{cookie: header, ops: []op{set("b", "2")}})
	testbed.Check(r.T, err)
	if wrote.status != bad.write {
		r.Errorf("Go answers %d to a change, want %d: %s", wrote.status, bad.write, wrote.body)
	}
	if bad.data == "" || bad.write != http.StatusOK {
		r.unchanged(sid, before)
	}
	if bad.data == "" {
		r.nodeReads(bad, sid, header, nil)
		return
	}
	if bad.write == http.StatusOK {
		want["b"] = json.RawMessage("2")
		data, _, err := takeApart(r.live.rows(r.T)[sid].text)
		testbed.Check(r.T, err)
		if what := data.differs(want); what != "" {
			r.Errorf("Go wrote that %.200s", what)
		}
		r.nodeReads(bad, sid, header, want)
	}
}

// nodeReads checks what Node makes of the row. Of a good one it must see what Go sees.
func (r *run) nodeReads(bad badRow, sid, header string, want values) {
	r.Helper()
	if bad.node == 0 {
		r.neverAnswers(header)
		return
	}
	got, err := r.nodeApp.send(r.Context(), "live", request{cookie: header})
	testbed.Check(r.T, err)
	if got.status != bad.node {
		r.Errorf("Node answers %d, want %d: %.200s", got.status, bad.node, got.body)
	}
	if want == nil {
		return
	}
	for _, name := range bad.taken {
		delete(want, name)
	}
	if what := values(got.End.Data).differs(want.rounded()); what != "" || got.End.ID != idOf(sid) {
		r.Errorf("Node reads that %.200s", what)
	}
}

// neverAnswers waits until Node has failed at the end of a request, whose client
// would then wait without end.
func (r *run) neverAnswers(header string) {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
	defer cancel()
	done := make(chan reply)
	go func() {
		got, _ := r.nodeApp.send(ctx, "live", request{cookie: header})
		done <- got
	}()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(r.nodeApp.errors.String(), "maxAge must be a number") {
		select {
		case got := <-done:
			r.Fatalf("Node answers %d: %s", got.status, got.body)
		case <-tick.C:
		}
	}
	cancel()
	<-done
}

func (r *run) unchanged(sid, text string) {
	r.Helper()
	if now := r.live.rows(r.T)[sid].text; now != text {
		r.Errorf("the row was changed from %.200q to %.200q", text, now)
	}
}
