package stmt

import "strings"

// A List holds the statements of a store as they are written, with tokens such as $TABLE.
// It is made when the program starts.
type List struct {
	tokens []string
	texts  []string
}

// An ID is the place of a statement in its list.
type ID int

// NewList returns a list whose statements share tokens, given in pairs of a token and its
// text. The text may have later tokens in it.
func NewList(tokens ...string) *List { return &List{tokens: tokens} }

// Add adds a statement, with tokens of its own in pairs. The list's own can have them in
// their texts.
func (l *List) Add(text string, tokens ...string) ID {
	for _, pairs := range [][]string{l.tokens, tokens} {
		for i := 0; i < len(pairs); i += 2 {
			text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
		}
	}
	l.texts = append(l.texts, text)
	return ID(len(l.texts) - 1)
}

// AddEach adds a statement with each of several texts for one token.
func (l *List) AddEach(text, token string, texts ...string) []ID {
	ids := make([]ID, len(texts))
	for i, t := range texts {
		ids[i] = l.Add(strings.ReplaceAll(text, token, t))
	}
	return ids
}

// Fill returns the statements for one table, by their IDs. The tokens, in pairs, are those
// that differ between tables; their texts may look like tokens.
func (l *List) Fill(tokens ...string) []string {
	fill := strings.NewReplacer(tokens...)
	filled := make([]string, len(l.texts))
	for i, text := range l.texts {
		filled[i] = fill.Replace(text)
	}
	return filled
}
