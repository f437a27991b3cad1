package native

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/sqlsessions/sessions/driver"
	"github.com/sqlsessions/sessions/internal/uuid"
)

// A Mark is the row that notes the revocations of a user, of a label or of everything. It is
// a row of the same table, which no token opens: it has no verifier, its expiry is in the
// distant past, and its ending is when the last mark was set.
//
// Its data is a JSON array: each mark from the latest to the earliest, and between two of
// them how many microseconds earlier the second was set. The statement that sets a mark puts
// it in front of the others, so no reader needs to have seen what it was put over. When the
// text is long, the statement drops the others and leaves the number in front of them: then
// marks were set up to that time, and it is not known which.
type Mark struct {
	ID   driver.ID // made from what was revoked, so that there is one row for it
	Data []byte    // to put: one mark. As read: the array
	Keep time.Duration
	Age  time.Duration // of the latest mark
}

// markData is one mark's JSON.
type markData struct {
	Number int64       `json:"number,string"`
	Except []driver.ID `json:"except,omitempty"`
}

func newMark(req *driver.EndAllRequest) Mark {
	data, err := json.Marshal(markData{req.Mark.Number, req.Except})
	if err != nil {
		panic(err) // there is nothing in it that could fail
	}
	return Mark{ID: markID(req.User, req.Label), Data: data, Keep: req.Mark.Keep}
}

// markID returns the ID of the marks of a user, of a label, or of everything.
func markID(user, label string) driver.ID {
	of := "everything"
	switch {
	case user != "":
		of = "user\x00" + user
	case label != "":
		of = "label\x00" + label
	}
	return driver.ID(uuid.Derive("sessions/mark/v1\x00" + of))
}

// markIDs returns the IDs of the marks that a row could be under.
func markIDs(req *driver.MarksRequest) []driver.ID {
	ids := []driver.ID{markID("", "")}
	if req.User != "" {
		ids = append(ids, markID(req.User, ""))
	}
	if req.Label != "" {
		ids = append(ids, markID("", req.Label))
	}
	return ids
}

// over returns the marks that do not except the row. If the list can't be read, it is not
// known what the marks except, but none was set later than the row says.
func (m *Mark) over(id driver.ID) (marks []driver.SetMark) {
	unknown := []driver.SetMark{{Age: m.Age}}
	var list []json.RawMessage
	if err := json.Unmarshal(m.Data, &list); err != nil || len(list) == 0 {
		return unknown
	}
	age := m.Age
	for i := 0; i < len(list); i += 2 {
		var mark markData
		var gap int64
		err := json.Unmarshal(list[i], &mark)
		if err == nil && i+1 < len(list) {
			err = json.Unmarshal(list[i+1], &gap)
		}
		if err != nil || gap < 0 {
			return unknown
		}
		if !slices.Contains(mark.Except, id) {
			marks = append(marks, driver.SetMark{Number: mark.Number, Age: age})
		}
		age += time.Duration(gap) * time.Microsecond
	}
	if len(list)%2 == 0 { // others were dropped
		marks = append(marks, driver.SetMark{Age: age})
	}
	return marks
}

func (s *store) Marks(ctx context.Context, req driver.MarksRequest) ([]driver.SetMark, error) {
	ids := markIDs(&req)
	found, err := read(ctx, s, func() ([]Mark, error) { return s.rows.Marks(ctx, ids) })
	if err != nil {
		return nil, s.wrap(ctx, "marks", err)
	}
	var marks []driver.SetMark
	for i := range found {
		marks = append(marks, found[i].over(req.ID)...)
	}
	return marks, nil
}
