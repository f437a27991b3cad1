package handover_test

import (
	"time"

	"github.com/sqlsessions/sessions/express"
)

// A config is the same settings in both languages.
type config struct {
	name    string
	node    map[string]any // those of express-session
	options express.Options
	unset   string // express-session's; in Go there is none
}

var configs = []config{
	{
		name: "default",
		node: map[string]any{"resave": false, "saveUninitialized": false},
	},
	{
		name: "rolling",
		node: map[string]any{
			"resave": false, "saveUninitialized": false, "rolling": true,
			"cookie": map[string]any{"maxAge": 3_600_000},
		},
		options: express.Options{Rolling: true, Cookie: express.CookieOptions{MaxAge: time.Hour}},
	},
	{
		name: "resave",
		node: map[string]any{"resave": true, "saveUninitialized": false, "unset": "destroy"},
		options: express.Options{
			Resave: true, IdleTimeout: 2 * time.Hour,
		},
		unset: "destroy",
	},
	{
		name: "uninitialized",
		node: map[string]any{
			"resave": false, "saveUninitialized": true, "name": "app.sid",
			"cookie": map[string]any{
				"maxAge": 300_000, "sameSite": "strict", "priority": "high", "domain": ".example.com", "path": "/",
			},
		},
		options: express.Options{
			SaveUninitialized: true, Name: "app.sid",
			Cookie: express.CookieOptions{
				MaxAge: 5 * time.Minute, SameSite: express.SameSiteStrict, Priority: express.PriorityHigh, Domain: ".example.com",
			},
		},
	},
	{
		name: "secure",
		node: map[string]any{
			"resave": false, "saveUninitialized": false, "proxy": true,
			"cookie": map[string]any{"maxAge": 86_400_000, "secure": "auto", "sameSite": "auto", "partitioned": true, "httpOnly": false},
		},
		options: express.Options{
			Proxy: express.ProxyTrue,
			Cookie: express.CookieOptions{
				MaxAge: 24 * time.Hour, Secure: express.SecureAuto, SameSite: express.SameSiteAuto, Partitioned: true, UnsafeScriptAccess: true,
			},
		},
	},
	{
		name: "upstream",
		node: map[string]any{
			"resave": true, "saveUninitialized": true, "rolling": true,
			"cookie": map[string]any{"maxAge": 1_800_000},
		},
		options: express.Options{
			Resave: true, SaveUninitialized: true, Rolling: true, Cookie: express.CookieOptions{MaxAge: 30 * time.Minute},
		},
	},
}

func (c *config) cookieName() string {
	if c.options.Name == "" {
		return "connect.sid"
	}
	return c.options.Name
}

func (c *config) idle() time.Duration {
	if c.options.IdleTimeout == 0 {
		return 24 * time.Hour
	}
	return c.options.IdleTimeout
}

// A difference is a place where the Go side is meant to differ from Node. There
// is no other.
type difference string

const (
	destroyClears   difference = "Destroy tells a browser that came with a cookie to drop it: what it names is gone"
	attributesCount difference = "a change of nothing but the cookie's attributes is saved and sent: Express forgets it without a word"
	emptyStays      difference = "Save of a new and empty session makes no row and no cookie, nor does Destroy, which stands for regenerate, when nothing is stored after it: nobody would miss them"
	bytesDecide     difference = "a session is modified if a value's JSON is other text, in whatever order: " +
		"to Express, which compares the whole text of what it parsed, order counts, and 2^53+1 is 2^53"
	lazyTouch    difference = "the expiry in the table may lag by a TouchInterval: Express writes it with every request"
	touchForward difference = "a touch never moves an expiry backward"
	discardStays difference = "after Discard a request goes on with the session as it was: after req.session = null it has none, so none is touched or sent"
)

var differences = []difference{
	destroyClears, attributesCount, emptyStays, bytesDecide, lazyTouch, touchForward, discardStays,
}
