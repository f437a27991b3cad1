package takeover

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/sqlsessions/sessions"
	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/wire"
)

// everyToken is what a protocol has that reads but one of a request's cookies.
type everyToken interface {
	Every(r *http.Request) []wire.Token
}

func (p *predecessor) End(ctx context.Context, r *http.Request, except driver.ID, reason string) error {
	if r == nil || p.over() {
		return nil
	}
	tokens, _ := p.old.Protocol.Read(r)
	if every, ok := p.old.Protocol.(everyToken); ok {
		tokens = every.Every(r)
	}
	for _, old := range tokens {
		s := p.successor(p.old.Protocol.Ref(old.Text))
		if s.ref.ID != except {
			if err := s.endForGood(ctx, reason); err != nil {
				return err
			}
		}
		if !p.ImportedOnly { // after the successor has ended, or a request could take the row over in between
			s.deleteOld(ctx, s.aside)
			s.deleteOld(ctx, s.was)
		}
	}
	return nil
}

// endForGood ends the successor, if the old cookie opens it. Where there is none it makes one
// that has ended, so that what the Express application saves late under the old sid can't be
// taken over. A cookie that opens nothing any more proves nothing, and ends nothing.
func (s *successor) endForGood(ctx context.Context, reason string) error {
	unknown := 0
	for range maxLooks {
		at, row, doc, err := s.look(ctx)
		switch {
		case err != nil:
			return err
		case at == over, at == inUse && !accepts(row, doc):
			return nil
		case at == empty:
			err = s.createEmpty(ctx)
		default:
			if err = s.end(ctx, row.ID, row.Version, reason); err == nil {
				return nil
			}
		}
		switch {
		case err == nil, errors.Is(err, driver.ErrExists), errors.Is(err, sessions.ErrConflict), errors.Is(err, sessions.ErrNotFound):
		case known(err):
			return err
		default: // it may have been carried out
			if unknown++; unknown == maxUnknown || ctx.Err() != nil {
				return err
			}
		}
	}
	return errBusy
}

func (s *successor) createEmpty(ctx context.Context) error {
	_, err := s.here.Store.Create(ctx, driver.CreateRequest{
		Ref: s.ref, Data: []byte("{}"), Pending: true, Keep: s.keep(), Life: driver.Life{Idle: time.Hour, Absolute: time.Hour},
	})
	return err
}
