package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sqlsessions/sessions/migrations"
)

// An index is as the catalog describes it.
type index struct {
	name          string
	unique, used  bool
	keys, depends []string // columns
	condition     string
	revive        string // the statement that puts it back in use, if there is one
}

func (i index) begins(keys ...string) bool {
	return i.used && len(i.keys) >= len(keys) && slices.Equal(i.keys[:len(keys)], keys)
}

// A wanted index is one that the statements need.
type wantedIndex struct {
	suffix, title string // of its name; of the step that makes it
	keys          []string
	without       string // what it is like without it
}

var wantedIndexes = []wantedIndex{
	{"user_id_idx", "index sessions user", []string{"user_id", "id"}, "listing and ending the sessions of a user read the whole table"},
	{"label_idx", "index sessions label", []string{"label", "id"}, "listing and ending the sessions with a label read the whole table"},
	{"reap_after_idx", "index sessions reap", []string{"reap_after"}, "cleaning up reads the whole table"},
}

// moving are the columns that change with the traffic, which no index should contain, and when.
var moving = []struct{ column, when string }{
	{"expires_at", "each move of an expiry"},
	{"version", "each save"},
	{"data", "each save"},
	{"verifier", "each new token"},
}

// checkIndexes looks for indexes that the statements need, and for those that slow them.
func checkIndexes(ctx context.Context, c *Conn) (found []Finding, err error) {
	var have []index
	err = c.each(ctx, c.ask.indexes, func(scan func(...any) error) error {
		var i index
		var keys, depends string
		err := scan(&i.name, &i.unique, &i.used, &keys, &depends, &i.condition, &i.revive)
		i.keys, i.depends = strings.Split(keys, ","), strings.Split(depends, ",")
		have = append(have, i)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, i := range have {
		if !i.used {
			found = append(found, warning(fmt.Sprintf("index %s is not in use: the database maintains it and never reads it", i.name), i.revival(), i.name)...)
		}
	}
	if !slices.ContainsFunc(have, func(i index) bool {
		return i.used && i.unique && i.condition == "" && slices.Equal(i.keys, []string{"id"})
	}) {
		found = append(found, failure("the primary key on id is missing: each request reads the whole table, and an ID could be used twice", c.names.Replace(c.repair.addPrimary), "id")...)
	}
	for _, want := range wantedIndexes {
		if !slices.ContainsFunc(have, func(i index) bool {
			return i.begins(want.keys...) && (i.condition == "" || len(want.keys) > 1 && strings.Contains(i.condition, want.keys[0]))
		}) {
			found = append(found, c.missing(have, want)...)
		}
	}
	for _, i := range have {
		for _, m := range moving {
			if slices.Contains(i.depends, m.column) {
				found = append(found, warning(fmt.Sprintf("index %s contains %s: %s %s", i.name, m.column, m.when, c.repair.indexCost), "drop it; the store does not use it", i.name)...)
				break
			}
		}
	}
	if found == nil {
		found = append(found, ok("the primary key and all indexes are there, and none that slows the store", len(have))...)
	}
	return found, nil
}

// revival is how to put an index back in use.
func (i index) revival() string {
	if i.revive == "" {
		return "drop it, and make it again if it is one that is missing"
	}
	return "run " + i.revive
}

// missing reports an index that a migration makes, with its statement.
func (c *Conn) missing(have []index, want wantedIndex) []Finding {
	name := c.Table + "_" + want.suffix
	advice := "run what " + c.Command("migrate print") + " shows for it"
	steps, _ := migrations.Steps(c.Dialect, c.Schema, c.Table) // the names have been checked
	for _, step := range steps {
		if _, statement, ok := strings.Cut(step.Up, "CREATE INDEX"); ok && step.Title == want.title {
			advice = "run CREATE INDEX" + strings.TrimRight(statement, ";\n")
		}
	}
	is := "missing"
	if i := slices.IndexFunc(have, func(i index) bool { return i.name == name }); i >= 0 {
		is = "not what the migration makes"
		advice = c.names.Replace("run "+fmt.Sprintf(c.repair.dropIndex, name)) + ", and then " + advice
		if have[i].revive != "" {
			advice = have[i].revival()
		}
	}
	return warning(fmt.Sprintf("index %s is %s: %s", name, is, want.without), advice, name)
}
