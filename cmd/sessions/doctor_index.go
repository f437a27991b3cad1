package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sqlsessions/sessions/migrations"
)

// An index is as the catalog describes it.
type index struct {
	name                   string
	unique, primary, valid bool
	keys, touches          []string
	condition              string
}

func (i index) covers(keys ...string) bool {
	return i.valid && len(i.keys) >= len(keys) && slices.Equal(i.keys[:len(keys)], keys)
}

func (i index) keyOn(column string) bool {
	return i.valid && i.unique && i.condition == "" && slices.Equal(i.keys, []string{column})
}

// moves are the columns that change with the traffic, which no index should contain.
var moves = strings.Fields("expires_at version data verifier")

// tableIndexes looks for what the statements need, and for what slows them.
func tableIndexes(ctx context.Context, x *examination) error {
	var have []index
	err := x.each(ctx, x.sql.indexes, func(scan func(...any) error) error {
		var i index
		var keys, touches string
		err := scan(&i.name, &i.unique, &i.primary, &i.valid, &keys, &touches, &i.condition)
		i.keys, i.touches = strings.Split(keys, ","), strings.Split(touches, ",")
		have = append(have, i)
		return err
	})
	if err != nil {
		return err
	}
	before := len(x.report)
	for _, i := range have {
		if !i.valid {
			x.warn(fmt.Sprintf("index %s is not in use: the database keeps it up and never reads it", i.name), x.revive(i), i.name)
		}
	}
	some := func(holds func(index) bool) bool { return slices.ContainsFunc(have, holds) }
	if !some(func(i index) bool { return i.keyOn("id") }) {
		x.fail("the primary key on id is missing: each request reads the whole table, and an ID could be taken twice", x.names.Replace(x.addPrimary), "id")
	}
	for _, by := range []struct{ column, title, what string }{
		{"user_id", "index sessions user", "of a user"},
		{"label", "index sessions label", "with a label"},
	} {
		if !some(func(i index) bool {
			return i.covers(by.column, "id") && (i.condition == "" || strings.Contains(i.condition, by.column))
		}) {
			x.missing(have, by.column+"_idx", by.title, "listing and ending the sessions "+by.what+" read the whole table")
		}
	}
	if !some(func(i index) bool { return i.covers("reap_after") && i.condition == "" }) {
		x.missing(have, "reap_after_idx", "index sessions reap", "cleaning up reads the whole table")
	}
	for _, i := range have {
		for _, moving := range moves {
			if slices.Contains(i.touches, moving) {
				when := "save"
				switch moving {
				case "expires_at":
					when = "move of an expiry"
				case "verifier":
					when = "new token"
				}
				x.warn(fmt.Sprintf("index %s contains %s: each %s %s", i.name, moving, when, x.indexCost), "drop it; the store has no use for it", i.name)
				break
			}
		}
	}
	if len(x.report) == before {
		x.ok("the primary key and all indexes are there, and none that slows the store", len(have))
	}
	return nil
}

// revive is how to have an index used that is not.
func (x *examination) revive(i index) string {
	if x.enable == "" {
		return "drop it, and make it again if it is one that is missing"
	}
	return x.names.Replace("run " + fmt.Sprintf(x.enable, i.name))
}

// missing reports an index that a migration makes, with its statement.
func (x *examination) missing(have []index, suffix, title, effect string) {
	name := x.table + "_" + suffix
	advice := "run what " + x.again("migrate print") + " shows for it"
	steps, _ := migrations.Steps(x.dialect, x.schema, x.table) // connect has checked the names
	for _, step := range steps {
		if _, statement, ok := strings.Cut(step.Up, "CREATE INDEX"); ok && step.Title == title {
			advice = "run CREATE INDEX" + strings.TrimRight(statement, ";\n")
		}
	}
	text := "index %s is missing: %s"
	if i := slices.IndexFunc(have, func(i index) bool { return i.name == name }); i >= 0 {
		text = "index %s is not what the migration makes: %s"
		advice = x.names.Replace("run "+fmt.Sprintf(x.drop, name)) + ", and then " + advice
		if !have[i].valid && x.enable != "" {
			advice = x.revive(have[i])
		}
	}
	x.warn(fmt.Sprintf(text, name, effect), advice, name)
}
