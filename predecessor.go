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
	// alone, so that it can be dropped; Manager's store may then be an empty MemoryStore.
	// Defaults to false. Set it after the last import.
	ImportedOnly bool
}

func (p *Predecessor) validate(check func(bad bool, format string, args ...any)) {
	if p == nil {
		return
	}
	check(p.Manager == nil, "Predecessor.Manager is nil; give the one that express.New returns")
	if p.Manager != nil {
		_, same := p.Manager.protocol.(native) // its keys are known to readers of its table, and must lead nowhere
		check(same, "Predecessor.Manager is one of New; give the one that express.New returns")
	}
	check(p.Until.IsZero(), "Predecessor.Until is zero; give the time from which old cookies mean nothing, such as a month from now")
}

// importedMember marks a copy that `sessions import` made and nobody used. Its
// value is a digest of what was copied.
const importedMember = "$imported"

// successor returns the id here of what an old table has under a key, which is a
// secret there. It is the same each time, so that parallel requests, and an
// import, arrive at one row.
func successor(old RowKey) id { return sha256.Sum256([]byte("sessions/import/v1\x00" + old)) }

const setAsidePrefix = "taken-over-"

// setAside is the key of a row that is being taken over. No cookie leads there.
func setAside(old RowKey) RowKey {
	sum := sha256.Sum256([]byte("sessions/set-aside/v1\x00" + old))
	return RowKey(setAsidePrefix + base64.RawURLEncoding.EncodeToString(sum[:]))
}

// takeOver returns the session that an old cookie of the request names. The error is
// ErrNotFound when there is none.
func (m *Manager) takeOver(ctx context.Context, r *http.Request) (state, error) {
	p := m.options.Predecessor
	if p == nil || !time.Now().Before(p.Until) {
		return state{}, ErrNotFound
	}
	ids, _ := p.Manager.protocol.Read(r)
	for _, old := range ids {
		from := RowKey(p.Manager.protocol.Key(old.Text))
		v := successor(from)
		st, err := m.succeed(ctx, from, v.key())
		if errors.Is(err, ErrNotFound) {
			continue
		}
		st.id = v.text()
		return st, err
	}
	return state{}, ErrNotFound
}

func (m *Manager) succeed(ctx context.Context, old, key RowKey) (state, error) {
	p := m.options.Predecessor
	if p.ImportedOnly {
		return m.useCopy(ctx, key)
	}
	if err := m.claim(ctx, old, key); err != nil {
		return state{}, err
	}
	for try := 0; ; try++ {
		st, err := m.load(ctx, key)
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
		if _, err := p.Manager.store.Load(ctx, setAside(old)); err != nil {
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
func (m *Manager) useCopy(ctx context.Context, key RowKey) (state, error) {
	for try := 0; ; try++ {
		st, err := m.load(ctx, key)
		if err != nil {
			return state{}, err
		}
		if _, copied := st.base.get(importedMember); !copied || try > maxTries {
			return st, nil
		}
		st.row.Data = st.base.without(importedMember).encode()
		if _, err = m.store.Save(ctx, st.row, m.inherited(st.row)); err != nil && !errors.Is(err, ErrConflict) {
			return state{}, err
		}
	}
}

// claim takes a session out of the old table and stores it here. Only the one
// request that sets the old row aside does so, and so nothing that ended here meanwhile can
// come back. Should the process die between the two, the session is lost.
func (m *Manager) claim(ctx context.Context, old, key RowKey) error {
	from := m.options.Predecessor.Manager.store
	for try := 0; ; try++ {
		row, err := from.Load(ctx, old)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		next, err := m.translate(row)
		if err != nil {
			m.options.Logger.Error("sessions: a session of the predecessor can't be taken over and was left there", "handle", row.Handle, "error", err)
			return ErrNotFound
		}
		aside, ttl := row, TTL{Idle: row.ExpiresIn}
		aside.Key = setAside(old)
		aside.Version, err = from.Rekey(ctx, old, aside, ttl)
		switch {
		case errors.Is(err, ErrNotFound): // another request took it
			return nil
		case errors.Is(err, ErrConflict) && try < maxTries:
			continue
		case err != nil:
			return err
		}
		next.Key = key
		if err := m.adopt(ctx, next, m.inherited(row)); err != nil {
			row.Version = aside.Version
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.options.Timeout)
			defer cancel()
			_, back := from.Rekey(ctx, aside.Key, row, ttl)
			return errors.Join(err, back)
		}
		if err := from.Delete(ctx, aside.Key); err != nil { // nobody can reach it, and it will expire
			m.options.Logger.Warn("sessions: a row of the predecessor was taken over and could not be deleted", "handle", row.Handle, "error", err)
		}
		return nil
	}
}

// inherited is how long what was taken over lives.
func (m *Manager) inherited(row Record) TTL {
	return TTL{Idle: min(max(row.ExpiresIn, time.Second), m.options.Lifetime), Absolute: m.options.Lifetime}
}

// adopt stores a session under the key of its successor, over a copy if there is one.
func (m *Manager) adopt(ctx context.Context, row Record, ttl TTL) error {
	for try := 0; ; try++ {
		err := m.store.Create(ctx, row, ttl)
		if !errors.Is(err, ErrExists) || try == maxCollisions {
			return err
		}
		there, err := m.store.Load(ctx, row.Key)
		switch {
		case errors.Is(err, ErrNotFound): // an expired copy
			err = m.store.Delete(ctx, row.Key)
		case err == nil:
			there.User, there.Data = row.User, row.Data
			if _, err = m.store.Save(ctx, there, ttl); err == nil {
				return nil
			}
		}
		if err != nil && !errors.Is(err, ErrConflict) && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
}

// translate makes a row of this manager from an old one.
func (m *Manager) translate(row Record) (Record, error) {
	p := m.options.Predecessor
	st, err := p.Manager.decode(row)
	if err != nil {
		return Record{}, err
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
			return Record{}, fmt.Errorf("%w: what is under %q can't be kept in every database", ErrValue, one.name)
		}
		doc = append(doc, one)
	}
	next := Record{Handle: newHandle(), User: cmp.Or(userAt(st.base, p.UserKey), row.User), Data: doc.encode()}
	if len(next.Data) > m.options.MaxBytes {
		return Record{}, fmt.Errorf("%w: %d bytes, MaxBytes is %d", ErrTooLarge, len(next.Data), m.options.MaxBytes)
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
