package torture_test

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/sqlsessions/sessions/driver"
)

var epoch = time.Now()

// now is a time by the monotonic clock, in nanoseconds.
func now() int64 { return int64(time.Since(epoch)) }

// never is when what is not known to have happened ends.
const never = math.MaxInt64

// A tag is a value that one step of one request writes, and nothing else.
type tag uint64

func (t tag) String() string {
	if t == 0 {
		return "-"
	}
	return fmt.Sprintf("%d.%d", t>>6, t&63)
}

// A head counts the commits of a session since it was last cleared, and names the last ones.
// Several commits may go together, so that none of them is seen by itself.
type head struct {
	N    int     `json:"n"`
	Last [12]tag `json:"last"`
}

// moved returns the head after a commit.
func (h head) moved(t tag) head {
	n := head{N: h.N + 1}
	n.Last[0] = t
	copy(n.Last[1:], h.Last[:])
	return n
}

// values are those of a session: three registers and the head.
type values struct {
	Reg  [3]tag
	Head head
}

func (v values) String() string {
	return fmt.Sprintf("a=%v b=%v c=%v head=%d:%v<%v", v.Reg[0], v.Reg[1], v.Reg[2], v.Head.N, v.Head.Last[0], v.Head.Last[1])
}

// A view is a session as a handler sees it.
type view struct {
	ID     driver.ID
	New    bool
	User   string
	Values values
}

// A kind of event.
type kind int

const (
	evLoad     kind = iota
	evCommit        // a save
	evSee           // what the request sees after it
	evActivate      // a sign-in counts from now
	evRotate        // a save gave the session a new token because of its age
	evTouch         //
	evUsed          // a request that has loaded it has moved its idle expiry, if that was due
	evEnd           // one session ends
	evEndUser       // all sessions of a user end, or everybody's
	evList          // the sessions of a user are listed
	evReason        // why it ended
	evRow           // the row that is left when all is over
)

var kindNames = [...]string{"load", "commit", "see", "activate", "rotate", "touch", "used", "end", "end all", "list", "reason", "row"}

// A result of an event.
type result int

const (
	unknown result = iota
	done
	refused // the session has ended or has another token
	missing // there was no such session
)

var resultNames = [...]string{"outcome unknown", "done", "refused", "missing"}

// A mutation is one change of values.
type mutation struct {
	what byte // 's'et, 'd'elete, 'c'lear, 'h'ead
	reg  int
	tag  tag
}

// An event is something that happened to one session, or to those of a user, at a moment
// between call and ret.
type event struct {
	kind      kind
	session   driver.ID
	call, ret int64
	result    result
	from      *record

	token    int // that the request presented or held
	newToken int // that a commit made; 0: none
	create   bool
	login    string
	pending  bool // it does not count before it is activated
	changes  []mutation
	after    *tag  // the commit before it, if that is known
	seen     *view // afterwards, or what a load or row showed

	user   *string // whose session it must be, or whose end; nil: anybody's
	except []driver.ID
	listed []driver.ID
	reason string
	since  int64 // when it was loaded at the earliest
}

func (e *event) String() string {
	var b strings.Builder
	end := "never"
	if e.ret != never {
		end = fmt.Sprintf("%.3f", float64(e.ret)/1e6)
	}
	fmt.Fprintf(&b, "[%.3f, %s] %s", float64(e.call)/1e6, end, kindNames[e.kind])
	if e.from != nil {
		fmt.Fprintf(&b, " by #%d (node %d: %s)", e.from.id, e.from.node, e.from.script)
	}
	if e.token != 0 || e.newToken != 0 {
		fmt.Fprintf(&b, " token %d", e.token)
	}
	if e.newToken != 0 {
		fmt.Fprintf(&b, "->%d", e.newToken)
	}
	if e.create {
		b.WriteString(" create")
	}
	if e.login != "" {
		fmt.Fprintf(&b, " login %s", e.login)
	}
	for _, m := range e.changes {
		fmt.Fprintf(&b, " %c%c:%v", m.what, "abc"[m.reg], m.tag)
	}
	if e.user != nil {
		fmt.Fprintf(&b, " user %q", *e.user)
	}
	if e.reason != "" {
		fmt.Fprintf(&b, " reason %q", e.reason)
	}
	fmt.Fprintf(&b, ": %s", resultNames[e.result])
	if e.seen != nil {
		fmt.Fprintf(&b, " {user %q %v}", e.seen.User, e.seen.Values)
	}
	return b.String()
}

// A record is all that is known of one request.
type record struct {
	id      uint64
	node    int
	script  string
	cookie            // the one that counts: the first, until it is known which
	cookies []*cookie // all that were presented

	sent, got         int64 // by the client
	in, entered, out  int64 // by the node
	touched           int64 // by when its touch has taken effect, if ever
	untouched         bool  // its touch failed
	status            int   // 0: no answer
	setCookie         bool
	cut               bool   // the answer was incomplete
	patient           bool   // its client would have waited
	loadErr, finalErr error  // what the error handler was told
	seen              *view  // what the handler saw first
	ran               bool   // the handler ran
	late              *event // a save after the first byte
	moved             bool   // a new session got another ID when it was saved again
	unended           bool   // a sign-in was refused, and its session could not be ended
	sure              bool   // an earlier save of the request stored a token, which any answer may carry
}

// A history is what happened in a round.
type history struct {
	mu       sync.Mutex
	records  []*record
	events   []*event
	tokens   map[string]int
	alias    map[int]int // numbers of a token that a browser sent before its node had noted what it is
	sessions map[driver.ID]bool
	byUser   map[string][]driver.ID
	kills    []kill   // of the server
	wrong    []string // violations that were seen at once
	last     int      // token
}

func newHistory() *history {
	return &history{tokens: map[string]int{}, alias: map[int]int{}, sessions: map[driver.ID]bool{}, byUser: map[string][]driver.ID{}}
}

func (h *history) add(e *event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, e)
	if e.session != "" {
		h.sessions[e.session] = true
	}
	if e.login != "" && e.result != refused {
		h.byUser[e.login] = append(h.byUser[e.login], e.session)
	}
	if e.kind == evCommit && e.result == done {
		h.byUser[""] = append(h.byUser[""], e.session)
	}
}

func (h *history) violationf(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wrong = append(h.wrong, fmt.Sprintf(format, args...))
}

// token returns the number of a cookie's value.
func (h *history) token(value string) int {
	if value == "" {
		return 0
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.tokens[value]
	if n == 0 {
		h.last++
		n = h.last
		h.tokens[value] = n
	}
	return n
}

// unsent returns the number of a token that no browser has yet, and bind gives it a value.
func (h *history) unsent() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last++
	return h.last
}

func (h *history) bind(value string, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if early := h.tokens[value]; early != 0 && early != n {
		h.alias[early] = n
	}
	h.tokens[value] = n
}

// sessionOf returns one of a user's sessions, old ones included, or one of those that were
// saved last.
func (h *history) sessionOf(user string, pick func(n int) int) driver.ID {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := h.byUser[user]
	if len(all) == 0 {
		return ""
	}
	return all[max(0, len(all)-1-pick(min(len(all), 6)))]
}
