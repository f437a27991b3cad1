package doctor

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// An index is as the catalog describes it.
type index struct {
	name          string
	unique, used  bool
	keys, depends []string // columns
	condition     string
	revive        string // how to put it back in use, if there is a statement that does
}

// moving are the columns that change with the traffic, which no index should contain, and when.
var moving = []struct{ column, when string }{
	{"expires_at", "each move of an expiry"},
	{"version", "each save"},
	{"data", "each save"},
	{"verifier", "each new token"},
}

// without is what is slow without the index that begins with a column.
var without = map[string]string{
	"user_id":    "listing and ending the sessions of a user read the whole table",
	"label":      "listing and ending the sessions with a label read the whole table",
	"reap_after": "cleaning up reads the whole table",
}

// checkIndexes looks for indexes that the statements need, and for those that slow them.
func checkIndexes(c *Conn) (found []Finding) {
	if c.abroad > 0 {
		return note("indexes were not checked: those on the other server can't be seen from here",
			"run doctor there, on the table itself", c.abroad)
	}
	steps, _ := c.Steps(c.Dialect) // the names have been checked
	// Asked before the first query, because there may be one connection only. A step that is
	// pending would find in its way what is made by hand.
	if status, err := c.Migrator.Status(c.ctx); err == nil && status.Version > 0 {
		steps = steps[:len(steps)-len(status.Pending)]
	}
	var have []index
	var i index
	var keys, depends string
	c.each(c.indexes, func() {
		i.keys, i.depends = strings.Split(keys, ","), strings.Split(depends, ",")
		have = append(have, i)
	}, &i.name, &i.unique, &i.used, &keys, &depends, &i.condition, &i.revive)
	for _, i := range have {
		if !i.used {
			found = append(found, warning(fmt.Sprintf("index %s is not in use: the database maintains it and never reads it", i.name),
				cmp.Or(i.revive, "drop it, and make it again if it is one that is missing"), i.name)...)
		}
	}
	if !slices.ContainsFunc(have, func(i index) bool {
		return i.used && i.unique && i.condition == "" && slices.Equal(i.keys, []string{"id"})
	}) {
		found = append(found, failure("the primary key on id is missing: each request reads the whole table, and an ID could be used twice",
			c.names.Replace(c.addPrimary), "id")...)
	}
	for _, step := range steps {
		parts := createIndex.FindStringSubmatch(step.Up)
		if parts == nil {
			continue
		}
		statement, name, keys := parts[0], parts[1], columnName.FindAllString(parts[2], -1)
		if !slices.ContainsFunc(have, func(i index) bool {
			begins := len(i.keys) >= len(keys) && slices.Equal(i.keys[:len(keys)], keys)
			return i.used && begins && (i.condition == "" || len(keys) > 1 && strings.Contains(i.condition, keys[0]))
		}) {
			found = append(found, c.missing(have, name, statement, without[keys[0]])...)
		}
	}
	for _, i := range have {
		for _, m := range moving {
			if slices.Contains(i.depends, m.column) {
				found = append(found, warning(fmt.Sprintf("index %s contains %s: %s %s", i.name, m.column, m.when, c.indexCost),
					"drop it; the store does not use it", i.name)...)
				break
			}
		}
	}
	if found == nil {
		found = append(found, ok("the primary key and all indexes are there, and none that slows the store", len(have))...)
	}
	return found
}

var (
	createIndex = regexp.MustCompile("CREATE INDEX [`\"](\\w+)[`\"] ON \\S+ \\(([^)]*)\\)[^;]*")
	columnName  = regexp.MustCompile(`\w+`)
)

// missing reports an index that a migration makes, with its statement.
func (c *Conn) missing(have []index, name, statement, effect string) []Finding {
	is, advice := "missing", "run "+strings.TrimSpace(statement)
	if i := slices.IndexFunc(have, func(i index) bool { return i.name == name }); i >= 0 {
		is = "not what the migration makes"
		advice = c.names.Replace("run "+fmt.Sprintf(c.dropIndex, name)) + ", and then " + advice
		if have[i].revive != "" {
			advice = have[i].revive
		}
	}
	return warning(fmt.Sprintf("index %s is %s: %s", name, is, effect), advice, name)
}
