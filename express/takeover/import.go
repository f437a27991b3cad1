package takeover

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/document"
	"github.com/sqlsessions/sessions/internal/uuid"
	"github.com/sqlsessions/sessions/internal/wire"
)

// imported marks a copy that an import made and that was not used yet. Its value is a
// digest of what was copied.
const imported = "$imported"

// pageSize is how many rows one statement reads.
const pageSize = 500

// A Report counts what [Import] found and did.
type Report struct {
	Read      int `json:"read"`      // live sessions in the old table
	Copied    int `json:"copied"`    // for the first time, or after the copy expired
	Updated   int `json:"updated"`   // changed in the old table since they were copied
	Unchanged int `json:"unchanged"` // copied before
	Skipped   int `json:"skipped"`   // can't be kept here; the log says why
	Removed   int `json:"removed"`   // copies whose original has ended
}

// Verified reports whether every live session of the old table that can be kept
// here is.
func (r Report) Verified() bool { return r.Read == r.Copied+r.Updated+r.Unchanged+r.Skipped }

// Import copies the live sessions of the old table for a manager that [New]
// returned, and leaves the old table as it is, so that the Express application can
// go on working. It can be stopped and run again: it does what is missing, brings
// copies up to date, and removes those whose original has ended. The copies do not
// count until [From].ImportedOnly is set. So run it for the last time when the
// Express application has stopped.
//
// progress, unless nil, is called after each page of rows. Import needs some 30
// bytes of memory for each session.
func Import(ctx context.Context, m *sessions.Manager, progress func(Report)) (Report, error) {
	if progress == nil {
		progress = func(Report) {}
	}
	p, ok := wire.Inside(m).Predecessor.(*predecessor)
	if !ok {
		return Report{}, fmt.Errorf("takeover: %w: Import needs a manager of takeover.New", sessions.ErrInvalid)
	}
	from, ok := p.old.Store.(wire.Pager)
	if !ok {
		return Report{}, fmt.Errorf("takeover: %w: the old store can't be read in pages", sessions.ErrInvalid)
	}
	i := importer{predecessor: p, seen: map[uint64]struct{}{}, progress: progress}
	err := i.copyAll(ctx, from)
	if err == nil {
		err = i.removeEnded(ctx)
	}
	return i.Report, p.here.Error("import", err)
}

type importer struct {
	*predecessor
	Report
	seen     map[uint64]struct{} // IDs of successors, shortened
	progress func(Report)
}

// short returns bits of the ID that are random.
func short(id driver.ID) uint64 {
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
		i.progress(i.Report)
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
		i.here.Logger.Warn("sessions: a session was not imported", "id", row.ID, "error", err)
		return nil
	}
	next.Ref = i.here.Protocol.Ref(i.successor(row.Verifier))
	sum := sha256.Sum256(row.Data)
	mark := []byte(`"` + hex.EncodeToString(sum[:8]) + `"`)
	doc, err := document.Decode(next.Data, i.here.Protocol.Member())
	if err != nil {
		return err
	}
	next.Data = doc.With(imported, mark).Encode()
	i.seen[short(next.ID)] = struct{}{}

	life := i.life(row)
	there, err := i.insert(ctx, next, life)
	if errors.Is(err, driver.ErrExists) {
		// It is not ended to make room: its user may have returned and be using it.
		i.Skipped++
		i.here.Logger.Warn("sessions: a session was not imported, because an expired copy is in its place until the reaper comes", "id", next.ID)
		return nil
	}
	if err != nil {
		return err
	}
	if there == nil {
		i.Copied++
		return nil
	}
	kept, _, err := i.here.Decode(*there)
	if err != nil { // a later version of the program wrote it, or it is damaged
		i.Skipped++
		i.here.Logger.Warn("sessions: a session was not imported, because what is there already can't be read", "id", there.ID, "error", err)
		return nil
	}
	old := kept.Get(imported)
	if old == nil { // it is in use here, and the old table has no say in its lifetime
		i.Unchanged++
		return nil
	}
	if bytes.Equal(old, mark) {
		i.Unchanged++
		_, err := i.here.Store.Touch(ctx, driver.TouchRequest{
			Ref: there.Ref, Life: driver.Life{Idle: life.Idle, Throttle: i.here.TouchInterval},
		})
		if errors.Is(err, sessions.ErrNotFound) { // its user came
			return nil
		}
		return err
	}
	err = i.overwrite(ctx, *there, next, life)
	if errors.Is(err, sessions.ErrConflict) || errors.Is(err, sessions.ErrNotFound) { // its user came
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
	for req := (driver.ListRequest{All: true, Limit: pageSize}); ; {
		rows, err := i.here.Store.List(ctx, req)
		if err != nil {
			return err
		}
		for _, row := range rows {
			req.After = row.ID
			doc, _, err := i.here.Decode(row)
			if _, seen := i.seen[short(row.ID)]; err != nil || seen || doc.Get(imported) == nil {
				continue
			}
			if err := i.here.End(ctx, row.Ref); err != nil {
				return err
			}
			i.Removed++
		}
		if len(rows) < pageSize {
			i.progress(i.Report)
			return nil
		}
	}
}
