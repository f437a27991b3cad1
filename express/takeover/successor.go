package takeover

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/document"
	"github.com/sqlsessions/sessions/internal/uuid"
)

// A session moves in steps that any request can go on with, whatever became of the one
// that began:
//
//  1. The old row gets another sid, to which no cookie leads: it is set aside. From then
//     on neither program finds it by the cookie.
//  2. Its successor, whose ID and secret follow from the old sid, is created here, pending,
//     unless there is one.
//  3. The revocations that could apply are read. If there is none, the successor is
//     activated, in the version in which it was found; otherwise it ends.
//  4. The row set aside is deleted.
//
// Nothing is put back and nothing is overwritten. An ended successor stays until
// [From].Until, so step 2 can't be done twice. A revocation notes itself first and then
// ends the rows there are, pending ones included. So either it ends the successor, or
// step 3 finds the note.

// A successor is the place of an old session here. It follows from the old cookie, so
// parallel requests, and an import, arrive at the same one.
type successor struct {
	*predecessor
	was, aside driver.Ref // in the old table
	ref        driver.Ref // here
	token      string
}

// successor returns that of the old row with this ref, whose verifier is a secret there.
func (p *predecessor) successor(old driver.Ref) *successor {
	// The ID does not come from the secret, because an ID is public.
	id, _ := uuid.Parse(uuid.Derive("sessions/import/id/v1\x00" + string(old.Verifier)))
	s := &successor{predecessor: p, was: old}
	s.token = p.here.Token(id, sha256.Sum256([]byte("sessions/import/v1\x00"+old.Verifier)))
	s.ref = p.here.Protocol.Ref(s.token)
	s.aside = p.aside(s.ref)
	return s
}

const asidePrefix = "taken-over-"

// aside returns how the old table knows a row that is being taken over. No cookie
// leads there, because none is ever signed. It has all that an import needs to go on with a
// take-over that stopped.
func (p *predecessor) aside(successor driver.Ref) driver.Ref {
	id, _ := uuid.Parse(string(successor.ID))
	return p.old.Protocol.Ref(asidePrefix + base64.RawURLEncoding.EncodeToString(append(id[:], successor.Verifier...)))
}

// successorOf is successor for a row that may have been set aside.
func (p *predecessor) successorOf(old driver.Ref) *successor {
	if name, isAside := strings.CutPrefix(string(old.Verifier), asidePrefix); isAside {
		b, err := base64.RawURLEncoding.DecodeString(name)
		if err == nil && len(b) == uuid.Size+sha256.Size {
			ref := driver.Ref{ID: driver.ID(uuid.Format([uuid.Size]byte(b))), Verifier: driver.Verifier(b[uuid.Size:])}
			return &successor{predecessor: p, was: old, aside: old, ref: ref}
		}
	}
	return p.successor(old)
}

// What can be at the place of a successor.
type place int

const (
	empty   place = iota
	copied        // by an import, and not in use
	pending       // stored by a request that takes it over, and not in use yet
	inUse
	over // it ended, or has a newer token
)

// maxLooks bounds how often other requests may get ahead of one.
const maxLooks = 40

var errBusy = fmt.Errorf("%w: other requests kept changing the session", sessions.ErrConflict)

// look returns what is at the successor's place, with the row and its document unless it
// is empty or over.
func (s *successor) look(ctx context.Context) (place, driver.Row, document.Document, error) {
	var none document.Document
	store := s.here.Store
	for range maxLooks {
		row, doc, err := s.here.Load(ctx, s.ref)
		var replaced *driver.ReplacedError
		switch {
		case err == nil:
			return inUse, row, doc, nil
		case errors.As(err, &replaced):
			return over, row, none, nil
		case !errors.Is(err, sessions.ErrNotFound):
			return over, row, none, err
		}
		endings, err := store.Endings(ctx, []driver.Ref{s.ref})
		switch {
		case err != nil:
			return over, row, none, err
		case len(endings) > 0 && endings[0].Gone:
			return empty, row, none, nil
		case len(endings) > 0:
			return over, row, none, nil
		}
		rows, err := store.List(ctx, driver.ListRequest{ID: s.ref.ID, Limit: 1})
		if err != nil {
			return over, row, none, err
		}
		if len(rows) == 0 {
			continue // it ended since
		}
		if doc, _, err = s.here.Decode(rows[0]); err != nil {
			s.damaged.Log(ctx, s.here.Logger(), slog.LevelError, "sessions: a session that was taken over can't be read", "id", s.ref.ID, "error", err)
			return over, row, none, nil
		}
		switch {
		case rows[0].Verifier != s.ref.Verifier: // a sign-in gave it a newer token
			return over, row, none, nil
		case !rows[0].Pending: // it was activated since
		case doc.Get(imported) != nil:
			return copied, rows[0], doc, nil
		default:
			return pending, rows[0], doc, nil
		}
	}
	return over, driver.Row{}, none, errBusy
}
