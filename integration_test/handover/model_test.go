package handover_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"time"
)

// values are the values of a session as they stand in the table, by their names.
type values map[string]json.RawMessage

// asGo returns what Go stores for the value of a set.
func (o *op) asGo() json.RawMessage {
	var v any = o.Value
	if o.Date != 0 {
		v = time.UnixMilli(o.Date).UTC()
	}
	raw, _ := json.Marshal(v)
	return raw
}

// asNode returns what Node stores for it.
func (o *op) asNode() json.RawMessage {
	if o.Date != 0 {
		return json.RawMessage(time.UnixMilli(o.Date).UTC().Format(`"2006-01-02T15:04:05.000Z"`))
	}
	return rounded(o.Value)
}

// rounded is what becomes of a value that Node loads and saves: numbers are
// float64 to it.
func rounded(raw json.RawMessage) json.RawMessage {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return json.RawMessage(fmt.Sprintf("%q", err))
	}
	out, _ := json.Marshal(v) // has JavaScript's format for numbers
	return out
}

func (v values) rounded() values {
	out := values{}
	for name, raw := range v {
		out[name] = rounded(raw)
	}
	return out
}

// same reports whether two texts are the same value, to the last digit.
func same(a, b json.RawMessage) bool { return reflect.DeepEqual(exact(a), exact(b)) }

func exact(raw json.RawMessage) any {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return err
	}
	return v
}

// differs describes a value in which two sessions differ, "" if there is none.
func (v values) differs(other values) string {
	for name := range v {
		if !same(v[name], other[name]) {
			return fmt.Sprintf("%q is %s, want %s", name, v[name], other[name])
		}
	}
	for name := range other {
		if _, ok := v[name]; !ok {
			return fmt.Sprintf("%q is missing, want %s", name, other[name])
		}
	}
	return ""
}

// equal reports whether two sessions are the same byte by byte, but for the order.
func (v values) equal(other values) bool {
	return maps.EqualFunc(v, other, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) })
}

// takeApart splits a row into values and cookie.
func takeApart(text string) (data values, cookie attributes, err error) {
	if err := json.Unmarshal([]byte(text), &data); err != nil {
		return nil, nil, err
	}
	cookie, err = parseAttributes(data["cookie"])
	delete(data, "cookie")
	return data, cookie, err
}

// attributes are those of a cookie, with one spelling for what means the same.
type attributes map[string]any

func parseAttributes(raw json.RawMessage) (a attributes, err error) {
	if err := json.Unmarshal(raw, &a); err != nil {
		return nil, fmt.Errorf("%w: %s", err, raw)
	}
	for name, v := range a {
		if text, ok := v.(string); ok && (name == "sameSite" || name == "priority") {
			a[name] = strings.ToLower(text)
		}
		switch {
		case name == "sameSite" && v == true:
			a[name] = "strict"
		case v == nil || v == false || v == "":
			if name != "httpOnly" && name != "path" {
				delete(a, name)
			}
		}
	}
	return a, nil
}

// like reports whether two cookies are alike but for their expiry. The original
// maximum age may be what was left until some moment, and so much apart.
func (a attributes) like(b attributes, slack time.Duration) bool {
	a, b = maps.Clone(a), maps.Clone(b)
	ageA, _ := a["originalMaxAge"].(float64)
	ageB, _ := b["originalMaxAge"].(float64)
	for _, c := range []attributes{a, b} {
		delete(c, "expires")
		delete(c, "originalMaxAge")
	}
	apart := time.Duration(ageA-ageB) * time.Millisecond
	return reflect.DeepEqual(a, b) && (ageA == 0) == (ageB == 0) && apart.Abs() <= slack
}

// lasts returns how long the cookie does, 0 for until the browser ends.
func (a attributes) lasts() time.Duration {
	ms, _ := a["originalMaxAge"].(float64)
	return time.Duration(ms) * time.Millisecond
}

// fresh reports whether the expiry is the one of a cookie written in that time.
func (a attributes) fresh(from, to time.Time) bool {
	text, _ := a["expires"].(string)
	if a.lasts() == 0 {
		return text == ""
	}
	when, err := time.Parse("2006-01-02T15:04:05.000Z", text)
	written := when.Add(-a.lasts())
	return err == nil && !written.Before(from.Truncate(time.Millisecond)) && !written.After(to)
}

// A course is what a request makes of a session: the rules of express-session,
// as far as the values are concerned.
type course struct {
	inGo   bool
	loaded bool   // the session is one of the table
	data   values // what the handler sees
	saved  values // what a reload brings back

	views       []view
	regenerated bool
	gone        string // the op after which there is no session: "destroy" or "null"
	stored      bool   // an op stored it
	assigned    bool   // an attribute was
}

func (c *course) follow(ops []op) {
	for _, o := range ops {
		switch o.Op {
		case "view":
			c.views = append(c.views, view{Present: c.gone == "", Data: maps.Clone(c.data)})
		case "set":
			if c.inGo {
				c.data[o.Key] = o.asGo()
			} else {
				c.data[o.Key] = o.asNode()
			}
		case "delete":
			delete(c.data, o.Key)
		case "cookie":
			c.assigned = true
		case "regenerate":
			c.data, c.saved, c.regenerated, c.stored = values{}, values{}, true, false
		case "save":
			c.saved = maps.Clone(c.data)
			c.stored = c.stored || !c.inGo || len(c.data) > 0
		case "reload":
			c.data, c.assigned = maps.Clone(c.saved), false
		case "destroy", "null":
			c.gone = o.Op
		}
	}
}
