package sessions

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/uuid"
)

// A Predecessor is the system whose sessions this one takes over, such as an
// Express application's. A request without a session here that carries the
// old cookie of a live one moves that session here for good: it is stored here, taken out of the
// old table, and goes on under this manager's cookie. A session that was ended there stays ended.
type Predecessor struct {
	// Manager reads the old cookies and rows: one that [express.New] returns.
	//
	// [express.New]: https://pkg.go.dev/github.com/sqlsessions/sessions/express#New
	Manager *Manager

	// Until ends it: from then on old cookies mean nothing. Required.
	Until time.Time

	// UserKey is where an old session says whose it is, as names joined by dots:
	// "userId", "passport.user". A string or a number is found there, and is
	// what [Session.User] returns afterwards. Defaults to none.
	UserKey string

	// ImportedOnly takes only what `sessions import` has copied, and leaves the old table
	// alone, so that it can be dropped; Manager's store may then be an empty memstore.
	// Defaults to false. Set it after the last import.
	ImportedOnly bool
}

func (p *Predecessor) validate(check func(bad bool, format string, args ...any)) {
	if p == nil {
		return
	}
	check(p.Manager == nil, "Predecessor.Manager is nil; give the one that express.New returns")
	if p.Manager != nil {
		_, same := p.Manager.protocol.(nativeProtocol) // what its table holds must not open a session here
		check(same, "Predecessor.Manager is one of New; give the one that express.New returns")
	}
	check(p.Until.IsZero(), "Predecessor.Until is zero; give the time from which old cookies mean nothing, such as a month from now")
}

// importedMember marks a copy that `sessions import` made and nobody used. Its
// value is a digest of what was copied.
const importedMember = "$imported"

// successor returns the token here of a session in an old table, whose verifier is
// a secret there. It is the same each time, so that parallel requests, and an
// import, arrive at one row.
func successor(old driver.Verifier) (t token) {
	secret := sha256.Sum256([]byte("sessions/import/v1\x00" + old))
	copy(t[uuid.Size:], secret[:])
	// Not from the secret, because an ID is public.
	name, _ := uuid.Parse(uuid.Derive("sessions/import/id/v1\x00" + string(old)))
	copy(t[:], name[:])
	return t
}

const setAsidePrefix = "taken-over-"

// setAside is the verifier of a row that is being taken over. No cookie leads there.
func setAside(old driver.Verifier) string {
	sum := sha256.Sum256([]byte("sessions/set-aside/v1\x00" + old))
	return setAsidePrefix + base64.RawURLEncoding.EncodeToString(sum[:])
}

// takeOver returns the session that an old cookie of the request names. The error is
// ErrNotFound when there is none.
func (m *Manager) takeOver(ctx context.Context, r *http.Request) (state, error) {
	p := m.options.Predecessor
	if p == nil || !time.Now().Before(p.Until) {
		return state{}, ErrNotFound
	}
	tokens, _ := p.Manager.protocol.Read(r)
	for _, old := range tokens {
		from := p.Manager.protocol.Ref(old.Text)
		next := successor(from.Verifier)
		st, err := m.succeed(ctx, from, next.ref())
		if errors.Is(err, ErrNotFound) {
			continue
		}
		st.token = next.text()
		return st, err
	}
	return state{}, ErrNotFound
}

func (m *Manager) succeed(ctx context.Context, old, next driver.Ref) (state, error) {
	p := m.options.Predecessor
	if p.ImportedOnly {
		return m.useCopy(ctx, next)
	}
	aside := p.Manager.protocol.Ref(setAside(old.Verifier))
	if err := m.claim(ctx, old, aside, next); err != nil {
		return state{}, err
	}
	for try := 0; ; try++ {
		st, err := m.load(ctx, next)
		if err == nil {
			if _, copied := st.base.get(importedMember); copied { // and the original is gone
				return state{}, ErrNotFound
			}
			return st, nil
		}
		if !errors.Is(err, ErrNotFound) {
			return state{}, err
		}
		// Another request may be about to store it.
		if _, err := p.Manager.store.Load(ctx, aside); err != nil {
			return state{}, err
		}
		if try == maxTries { // its process has died
			return state{}, ErrNotFound
		}
		if err := sleep(ctx, maxPause); err != nil {
			return state{}, err
		}
	}
}

// useCopy makes a session of a copy that an import left.
func (m *Manager) useCopy(ctx context.Context, ref driver.Ref) (state, error) {
	for try := 0; ; try++ {
		st, err := m.load(ctx, ref)
		if err != nil {
			return state{}, err
		}
		if _, copied := st.base.get(importedMember); !copied || try > maxTries {
			return st, nil
		}
		used := st.row
		used.Data = st.base.without(importedMember).encode()
		if err = m.overwrite(ctx, st.row, used, m.inherited(st.row)); err != nil && !errors.Is(err, ErrConflict) {
			return state{}, err
		}
	}
}

// claim takes a session out of the old table and stores it here. Only the one
// request that sets the old row aside does so, and so nothing that ended here meanwhile can
// come back. Should the process die between the two, the session is lost.
func (m *Manager) claim(ctx context.Context, old, aside, next driver.Ref) error {
	from := m.options.Predecessor.Manager.store
	for try := 0; ; try++ {
		row, err := from.Load(ctx, old)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		moved, err := m.translate(row)
		if err != nil {
			m.options.Logger.Error("sessions: a session of the predecessor can't be taken over and was left there", "id", row.ID, "error", err)
			return ErrNotFound
		}
		move := driver.SaveRequest{
			From: old, Version: row.Version, Verifier: aside.Verifier,
			User: row.User, Data: row.Data, Life: driver.Life{Idle: row.ExpiresIn},
		}
		result, err := from.Save(ctx, move)
		switch {
		case errors.Is(err, ErrNotFound): // another request took it
			return nil
		case errors.Is(err, ErrConflict) && try < maxTries:
			continue
		case err != nil:
			return err
		}
		moved.Ref = next
		if err := m.adopt(ctx, moved, m.inherited(row)); err != nil {
			move.From, move.Version, move.Verifier = aside, result.Version, old.Verifier
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.options.Timeout)
			defer cancel()
			_, back := from.Save(ctx, move)
			switch {
			case back == nil || errors.Is(back, ErrNotFound): // it expired
				return err
			case errors.Is(err, ErrNotFound): // which would say that there is no session
				return back
			}
			return errors.Join(err, back)
		}
		if err := m.options.Predecessor.Manager.end(ctx, aside); err != nil { // no token leads to it, and it will expire
			m.options.Logger.Warn("sessions: a row of the predecessor was taken over and could not be deleted", "id", row.ID, "error", err)
		}
		return nil
	}
}

// inherited is how long what was taken over lives.
func (m *Manager) inherited(row driver.Row) driver.Life {
	return driver.Life{Idle: min(max(row.ExpiresIn, time.Second), m.options.Lifetime), Absolute: m.options.Lifetime}
}

// adopt stores a session under the ID of its successor, over a copy if there is one.
func (m *Manager) adopt(ctx context.Context, row driver.Row, life driver.Life) error {
	for try := 0; ; try++ {
		there, err := m.insert(ctx, row, life)
		if errors.Is(err, driver.ErrExists) && try < maxCollisions { // an expired one; nobody else adopts this session now
			if err = m.end(ctx, row.Ref); err == nil {
				continue
			}
		}
		if err != nil || there == nil {
			return err
		}
		if there.Verifier != row.Verifier { // it was taken over before, and has a token of its own by now
			return ErrNotFound
		}
		err = m.overwrite(ctx, *there, row, life)
		if !errors.Is(err, ErrConflict) && !errors.Is(err, ErrNotFound) || try == maxCollisions {
			return err
		}
	}
}

// insert creates a row. Where the ID has a live row already it returns that one. One
// that has expired and was not reaped yet is ErrExists.
func (m *Manager) insert(ctx context.Context, row driver.Row, life driver.Life) (there *driver.Row, err error) {
	_, err = m.store.Create(ctx, driver.CreateRequest{Ref: row.Ref, User: row.User, Data: row.Data, Life: life})
	if !errors.Is(err, driver.ErrExists) {
		return nil, err
	}
	rows, listErr := m.store.List(ctx, driver.ListRequest{ID: row.ID, Limit: 1})
	switch {
	case listErr != nil:
		return nil, listErr
	case len(rows) == 0:
		return nil, err
	}
	return &rows[0], nil
}

// overwrite puts the contents of another row into a live one.
func (m *Manager) overwrite(ctx context.Context, there, contents driver.Row, life driver.Life) error {
	_, err := m.store.Save(ctx, driver.SaveRequest{
		From: there.Ref, Version: there.Version, Verifier: there.Verifier,
		User: contents.User, Label: there.Label, Data: contents.Data, Life: life,
	})
	return err
}

// translate makes a row of this manager from an old one.
func (m *Manager) translate(row driver.Row) (driver.Row, error) {
	p := m.options.Predecessor
	st, err := p.Manager.decode(row)
	if err != nil {
		return driver.Row{}, err
	}
	var doc document
	if maxAge := p.Manager.maxAge(st.base); maxAge > 0 {
		doc = cookieDocument(m.protocol.Member(), m.protocol.WithMaxAge(nil, maxAge))
	}
	for _, one := range st.base {
		if one.reserved() {
			continue
		}
		if depth(one.raw) > maxDepth || badEscape(one.raw) || badEscape(one.quoted) {
			return driver.Row{}, fmt.Errorf("%w: what is under %q can't be kept in every database", ErrValue, one.name)
		}
		doc = append(doc, one)
	}
	next := driver.Row{User: cmp.Or(userAt(st.base, p.UserKey), row.User), Data: doc.encode()}
	if len(next.Data) > m.options.MaxBytes {
		return driver.Row{}, fmt.Errorf("%w: %d bytes, MaxBytes is %d", ErrTooLarge, len(next.Data), m.options.MaxBytes)
	}
	return next, nil
}

// userAt returns the string or number that names joined by dots lead to, or "".
func userAt(d document, path string) string {
	if path == "" {
		return ""
	}
	first, rest, nested := strings.Cut(path, ".")
	raw, _ := d.get(first)
	if nested {
		inner, err := decodeDocument(raw, "")
		if err != nil {
			return ""
		}
		return userAt(inner, rest)
	}
	var v any
	if raw == nil || decodeValue(raw, &v, true) != nil {
		return ""
	}
	user := ""
	switch v := v.(type) {
	case string:
		user = v
	case json.Number:
		user = v.String()
	}
	if checkUser(user) != nil {
		return ""
	}
	return user
}
