package sessions

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/uuid"
	"github.com/sqlsessions/sessions/internal/wire"
)

// An ImportReport counts what [Manager.Import] found and did.
type ImportReport struct {
	Read      int `json:"read"`      // live sessions of the predecessor
	Copied    int `json:"copied"`    // for the first time, or after the copy expired
	Updated   int `json:"updated"`   // changed there since they were copied
	Unchanged int `json:"unchanged"` // copied before
	Skipped   int `json:"skipped"`   // can't be kept here; the log says why
	Removed   int `json:"removed"`   // copies whose original has ended
}

// Verified reports whether every live session of the predecessor that can be kept here is.
func (r ImportReport) Verified() bool { return r.Read == r.Copied+r.Updated+r.Unchanged+r.Skipped }

// Import copies the live sessions of [Options.Predecessor] into the manager's
// store, and leaves the predecessor's as they are, so that it can go on
// working meanwhile. It can be stopped and run again: it does what is missing, brings copies
// up to date, and removes those whose original has ended. The copies do not
// count until [Predecessor.ImportedOnly] is set. Run it for the last time, then, when the
// predecessor has stopped.
//
// progress is called after each page of rows, unless it is nil. It needs some 30 bytes of memory for each session.
func (m *Manager) Import(ctx context.Context, progress func(ImportReport)) (ImportReport, error) {
	i := importer{Manager: m, seen: map[uint64]struct{}{}, progress: progress}
	if i.progress == nil {
		i.progress = func(ImportReport) {}
	}
	if m.options.Predecessor == nil {
		return i.ImportReport, fmt.Errorf("%w: Import needs Options.Predecessor", ErrInvalid)
	}
	from, ok := m.options.Predecessor.Manager.store.(wire.Pager)
	if !ok {
		return i.ImportReport, fmt.Errorf("%w: the predecessor's store can't be read in pages", ErrInvalid)
	}
	err := i.copyAll(ctx, from)
	if err == nil {
		err = i.removeEnded(ctx)
	}
	return i.ImportReport, m.storeError("import", err)
}

type importer struct {
	*Manager
	ImportReport
	seen     map[uint64]struct{} // IDs of successors, shortened
	progress func(ImportReport)
}

// short returns bits of the ID that are random.
func short(id ID) uint64 {
	b, _ := uuid.Parse(string(id))
	return binary.BigEndian.Uint64(b[8:])
}

func (i *importer) copyAll(ctx context.Context, from wire.Pager) error {
	for after := driver.Verifier(""); ; {
		rows, err := from.Page(ctx, after, pageSize)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if after = row.Verifier; strings.HasPrefix(string(row.Verifier), setAsidePrefix) {
				continue // a request has taken it
			}
			if err := i.copy(ctx, row); err != nil {
				return err
			}
		}
		i.progress(i.ImportReport)
		if len(rows) < pageSize {
			return nil
		}
	}
}

func (i *importer) copy(ctx context.Context, row driver.Row) error {
	i.Read++
	next, err := i.translate(row)
	if err != nil {
		i.Skipped++
		i.options.Logger.Warn("sessions: a session was not imported", "id", row.ID, "error", err)
		return nil
	}
	token := successor(row.Verifier)
	next.Ref = token.ref()
	sum := sha256.Sum256(row.Data)
	mark := []byte(`"` + hex.EncodeToString(sum[:8]) + `"`)
	doc, err := decodeDocument(next.Data, i.protocol.Member())
	if err != nil {
		return err
	}
	next.Data = doc.with(importedMember, mark).encode()
	i.seen[short(next.ID)] = struct{}{}

	life := i.inherited(row)
	there, err := i.insert(ctx, next, life)
	if errors.Is(err, driver.ErrExists) {
		// It is not ended to make room: by then its user may have come and be in it.
		i.Skipped++
		i.options.Logger.Warn("sessions: a session was not imported, because an expired copy is in its place until the reaper comes", "id", next.ID)
		return nil
	}
	if err != nil {
		return err
	}
	if there == nil {
		i.Copied++
		return nil
	}
	st, err := i.decode(*there)
	if err != nil { // a later version of the program wrote it, or it is damaged
		i.Skipped++
		i.options.Logger.Warn("sessions: a session was not imported, because what is there already can't be read", "id", there.ID, "error", err)
		return nil
	}
	old, copied := st.base.get(importedMember)
	if !copied { // it is in use here, and its lifetime is no business of the old table's
		i.Unchanged++
		return nil
	}
	if bytes.Equal(old, mark) {
		i.Unchanged++
		_, err := i.store.Touch(ctx, driver.TouchRequest{
			Ref: there.Ref, Life: driver.Life{Idle: life.Idle, Throttle: i.options.TouchInterval},
		})
		if errors.Is(err, ErrNotFound) { // its user came
			return nil
		}
		return err
	}
	err = i.overwrite(ctx, *there, next, life)
	if errors.Is(err, ErrConflict) || errors.Is(err, ErrNotFound) { // its user came
		i.Unchanged++
		return nil
	}
	if err == nil {
		i.Updated++
	}
	return err
}

// removeEnded removes the copies whose original was not seen.
func (i *importer) removeEnded(ctx context.Context) error {
	for s, err := range i.All(ctx) {
		if err != nil {
			return err
		}
		if _, copied := s.state.base.get(importedMember); !copied {
			continue
		}
		if _, ok := i.seen[short(s.state.row.ID)]; !ok {
			if err := i.end(ctx, s.state.row.Ref); err != nil {
				return err
			}
			i.Removed++
		}
	}
	i.progress(i.ImportReport)
	return nil
}
