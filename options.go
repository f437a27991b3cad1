package sessions

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/sqlsessions/sessions/internal/forwarded"
	"github.com/sqlsessions/sessions/internal/token"
	"github.com/sqlsessions/sessions/observe"
)

// Options configure a [Manager]. The zero value of each field is its default and
// safe; only Secrets has none. Fields may be added: write literals with field names.
// Later changes to what the slices hold have no effect.
type Options struct {
	// Secrets sign the token: at least one, each of 32 random bytes or more.
	// The first signs, all verify, and a token that an older one signed is signed
	// again with the next response. To rotate, add the new secret after the old one
	// in all processes, then move it to the front in all, and drop the old one when
	// the cookies it signed have expired. A cookie that was signed with a secret
	// which a process does not have counts as forged there.
	Secrets [][]byte

	// Cookie says how the browser keeps the token.
	Cookie CookieOptions

	// IdleTimeout ends a session that was not used for this long. From 1 second
	// to Lifetime; set it to Lifetime for no idle timeout. Defaults to 24 hours,
	// or Lifetime if that is shorter.
	IdleTimeout time.Duration

	// Lifetime is the absolute timeout: it ends a session this long after it began
	// or the user last signed in, however busy it is. From 1 second to 400 days.
	// Defaults to 30 days.
	Lifetime time.Duration

	// AnonymousTimeout is IdleTimeout for a visitor's session, one without a user, and no
	// MaxAge stretches it. [Session.SetUser] gives the session the longer timeout.
	// From 1 second to IdleTimeout. Defaults to 0: visitors' sessions live as long as users'.
	AnonymousTimeout time.Duration

	// AdmitAnonymous is called before the first row of a visitor's session is written, to
	// limit how many a client can make, but not for one that follows a user's logout. If it
	// returns an error, nothing is stored, and the save fails with an error that wraps it and
	// [ErrLimit]. It gets the handler's request, whose context ends by Timeout, for requests
	// in parallel. Defaults to none: every visitor is admitted.
	AdmitAnonymous func(*http.Request) error

	// TouchInterval is how far the idle expiry must have fallen behind before a
	// request that changes nothing moves it: one small write an interval instead
	// of one a request. A session may end this much early. Negative: with every
	// request. Defaults to a tenth of the shorter of IdleTimeout and AnonymousTimeout,
	// at most 1 minute.
	TouchInterval time.Duration

	// RotateAfter gives a session a new token when its token is older than this,
	// when a response that can carry it begins. The old one is accepted for 30
	// more seconds. From 1 minute. Defaults to 0: only when privileges change.
	RotateAfter time.Duration

	// EndOnReplay ends a session with [ReasonReplay] when a token is presented that
	// was replaced more than 30 seconds ago, by RotateAfter, a sign-in or Regenerate:
	// one of two copies is stolen, or the browser did not get the newer token. By
	// default that is only reported to Observer. Either way the request gets a new session.
	EndOnReplay bool

	// MaxPerUser is how many sessions a user can have. A sign-in beyond it ends the
	// oldest with [ReasonEvicted]. Defaults to 0: any number.
	MaxPerUser int

	// RefuseOverMax fails the sign-in with [ErrLimit] instead. Whoever knows a
	// password can then keep its owner out. Two sign-ins at once for the last place
	// may both be refused.
	RefuseOverMax bool

	// KeepEnded is how long the reason of an ending is kept; its row holds no data any
	// more. For the session of a visitor, without a user, that [Session.Destroy] ends it is
	// an hour at most. From 1 minute to 400 days. Defaults to 7 days.
	KeepEnded time.Duration

	// WatchInterval is how late [Session.Context] may learn of an ending.
	// From 100 milliseconds. Defaults to 5 seconds.
	WatchInterval time.Duration

	// MaxBytes bounds a session's JSON, in bytes. At most 1 MiB. Defaults to 64 KiB.
	// A stored session of more than twice as many is not loaded ([ErrTooLarge]).
	MaxBytes int

	// TrustedProxies are the proxies whose X-Forwarded-Proto and Forwarded headers
	// are believed: addresses ("10.0.0.7"), ranges ("10.0.0.0/8"), "unix" for the
	// peer of a unix socket, or "unknown" for a request without an address and port.
	// Defaults to none: these headers are ignored.
	TrustedProxies []string

	// Timeout bounds the work on the store before a handler runs, and again when its
	// changes are saved. Requests share timers, so it may end up to 1/64 early. A client
	// that hangs up does not end it. Defaults to 5 seconds.
	Timeout time.Duration

	// Skip leaves requests alone for which it returns true, such as those for
	// static files: nothing is loaded, and FromContext returns nil. Defaults to
	// none.
	Skip func(*http.Request) bool

	// ErrorHandler answers a request whose session could not be loaded or saved,
	// once, in place of the handler's answer. If it writes nothing,
	// [DefaultErrorHandler] answers, which is also the default.
	ErrorHandler func(w http.ResponseWriter, r *http.Request, err error)

	// Observer is told what happens. Defaults to none, which costs nothing.
	Observer *observe.Observer

	// Logger gets what an operator must know; never a token, a secret or a value. What
	// clients can bring about at will is logged at most ten times a minute.
	// Defaults to slog.Default() at the time of use.
	Logger *slog.Logger
}

func (o Options) logger() *slog.Logger { return cmp.Or(o.Logger, slog.Default()) }

// shorterTimeout returns the timeout of the sessions that end first.
func (o Options) shorterTimeout() time.Duration {
	return min(o.IdleTimeout, cmp.Or(max(o.AnonymousTimeout, 0), o.IdleTimeout))
}

// Format prints everything but the secrets, for every verb.
func (o Options) Format(f fmt.State, _ rune) {
	type plain Options // without this method
	p := plain(o)
	p.Secrets = nil
	_, _ = fmt.Fprintf(f, "%+v", p)
}

const maxMaxBytes = 1 << 20

func (o Options) withDefaults() Options {
	o.Lifetime = cmp.Or(o.Lifetime, 30*24*time.Hour)
	o.IdleTimeout = cmp.Or(o.IdleTimeout, min(24*time.Hour, o.Lifetime))
	o.TouchInterval = max(cmp.Or(o.TouchInterval, min(time.Minute, o.shorterTimeout()/10)), 0)
	o.MaxBytes = cmp.Or(o.MaxBytes, 64<<10)
	o.Timeout = cmp.Or(o.Timeout, 5*time.Second)
	o.KeepEnded = cmp.Or(o.KeepEnded, 7*24*time.Hour)
	o.WatchInterval = cmp.Or(o.WatchInterval, 5*time.Second)
	if o.ErrorHandler == nil {
		o.ErrorHandler = DefaultErrorHandler
	}
	c := &o.Cookie
	c.Path = cmp.Or(c.Path, "/")
	c.SameSite = cmp.Or(c.SameSite, http.SameSiteLaxMode)
	switch {
	case c.Name != "":
	case c.Secure == SecureAlways && c.Path == "/" && c.Domain == "":
		c.Name = "__Host-session"
	case c.Secure == SecureAlways:
		c.Name = "__Secure-session"
	default:
		c.Name = "session"
	}
	return o
}

// validate returns everything that is wrong, not just the first thing. own is false under
// another protocol, which has its own secrets and cookie, and no absolute timeout.
func (o Options) validate(own bool) error {
	var errs []error
	check := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...))
		}
	}
	if own {
		o.validateOwn(check)
	}
	check(o.IdleTimeout < time.Second, "IdleTimeout is %v; use at least a second, or set it to Lifetime for no idle timeout", o.IdleTimeout)
	check(o.IdleTimeout > o.Lifetime, "IdleTimeout %v is longer than Lifetime %v and would never apply; lower it or raise Lifetime", o.IdleTimeout, o.Lifetime)
	check(o.AnonymousTimeout != 0 && o.AnonymousTimeout < time.Second, "AnonymousTimeout is %v; use at least a second, or 0 for IdleTimeout", o.AnonymousTimeout)
	check(o.AnonymousTimeout > o.IdleTimeout, "AnonymousTimeout %v is longer than IdleTimeout %v; lower it", o.AnonymousTimeout, o.IdleTimeout)
	half := o.shorterTimeout() / 2
	check(o.TouchInterval > half, "TouchInterval is %v; use at most half of IdleTimeout and of AnonymousTimeout (%v)", o.TouchInterval, half)
	check(o.MaxBytes < 1 || o.MaxBytes > maxMaxBytes, "MaxBytes is %d; use 1 to %d, and keep bigger things in a table of their own", o.MaxBytes, maxMaxBytes)
	check(o.RotateAfter != 0 && o.RotateAfter < time.Minute, "RotateAfter is %v; use at least a minute, or 0 for no rotation by age", o.RotateAfter)
	check(o.MaxPerUser < 0, "MaxPerUser is %d; use a number above 0, or 0 for no limit", o.MaxPerUser)
	check(o.RefuseOverMax && o.MaxPerUser == 0, "RefuseOverMax needs MaxPerUser")
	check(o.KeepEnded < time.Minute || o.KeepEnded > maxLifetime, "KeepEnded is %v; use a minute to 400 days", o.KeepEnded)
	check(o.WatchInterval < 100*time.Millisecond, "WatchInterval is %v; use at least 100ms", o.WatchInterval)
	check(o.Timeout < 0, "Timeout is %v; use a positive time", o.Timeout)
	_, err := forwarded.Parse(o.TrustedProxies)
	check(err != nil, "%v", err)
	return errors.Join(errs...)
}

func (o Options) validateOwn(check func(bool, string, ...any)) {
	token.CheckSecrets(o.Secrets, check)
	check(o.Lifetime < time.Second, "Lifetime is %v; use at least a second", o.Lifetime)
	check(o.Lifetime > maxLifetime, "Lifetime is %v; browsers keep no cookie longer than 400 days (%v)", o.Lifetime, maxLifetime)
	o.Cookie.validate(check)
}
