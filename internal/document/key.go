package document

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// CheckType returns an error unless values of the type can be kept as JSON and come back from it
// as they were. It names the key.
func CheckType(key string, t reflect.Type) error {
	if err := checkType(t, false, map[place]bool{}); err != nil {
		return fmt.Errorf("sessions: key %q: %w", key, err)
	}
	return nil
}

// A place is a type that was looked at. Methods of its pointer are called only if a value
// is addressable, which one that is stored is not.
type place struct {
	reflect.Type
	addressable bool
}

var (
	jsonMarshaler   = reflect.TypeFor[json.Marshaler]()
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textMarshaler   = reflect.TypeFor[encoding.TextMarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

func checkType(t reflect.Type, addressable bool, seen map[place]bool) error {
	at := place{t, addressable}
	if seen[at] {
		return nil
	}
	seen[at] = true
	has := func(method reflect.Type) bool {
		return t.Implements(method) || addressable && reflect.PointerTo(t).Implements(method)
	}
	if t.Kind() == reflect.Interface {
		if t.NumMethod() > 0 {
			return fmt.Errorf("JSON does not tell which type is in %v; use a type that is no interface, or any", t)
		}
		return nil
	}
	if has(jsonMarshaler) || has(textMarshaler) { // it knows what it does
		for _, read := range []reflect.Type{jsonUnmarshaler, textUnmarshaler} {
			if t.Implements(read) || reflect.PointerTo(t).Implements(read) {
				return nil
			}
		}
		return fmt.Errorf("%v has a method that writes it, and nothing reads that; give it UnmarshalJSON or UnmarshalText", t)
	}
	if pointer := reflect.PointerTo(t); t.Kind() == reflect.Struct && pointer.Implements(jsonMarshaler) && pointer.Implements(jsonUnmarshaler) {
		return fmt.Errorf("%v has MarshalJSON with a pointer receiver, which JSON does not call for it; use *%v", t, t)
	}
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		return fmt.Errorf("%v can't be stored as JSON", t)
	case reflect.Map:
		if err := checkMapKey(t); err != nil {
			return err
		}
		return checkType(t.Elem(), false, seen)
	case reflect.Pointer, reflect.Slice:
		return checkType(t.Elem(), true, seen)
	case reflect.Array:
		return checkType(t.Elem(), addressable, seen)
	case reflect.Struct:
		return checkStruct(t, addressable, seen)
	}
	return nil
}

func checkMapKey(t reflect.Type) error {
	key := t.Key()
	switch key.Kind() {
	case reflect.String, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return nil
	}
	if key.Implements(textMarshaler) && reflect.PointerTo(key).Implements(textUnmarshaler) {
		return nil
	}
	return fmt.Errorf("JSON has no keys of type %v for %v", key, t)
}

func checkStruct(t reflect.Type, addressable bool, seen map[place]bool) error {
	fields, err := jsonFields(t)
	if err != nil {
		return err
	}
	if len(fields) == 0 && t.NumField() > 0 {
		return fmt.Errorf("JSON keeps nothing of %v, which has no exported field; export its fields, or give it MarshalJSON and UnmarshalJSON", t)
	}
	for _, f := range fields {
		if err := checkType(f.Type, addressable || f.pointer, seen); err != nil {
			return fmt.Errorf("%v.%s: %w", t, f.Name, err)
		}
	}
	return nil
}

// A field is one that encoding/json sees in a struct.
type field struct {
	reflect.StructField
	name    string // in JSON
	tagged  bool
	pointer bool // it is in an embedded pointer
	twice   bool // it is in a struct that is embedded twice
}

// jsonFields returns the fields that JSON keeps, those of embedded structs included, by the
// rules of encoding/json. Of two that have one name at the same depth, that keeps neither
// and says nothing.
func jsonFields(t reflect.Type) ([]field, error) {
	var all []field
	names, structs := map[string]bool{}, map[reflect.Type]bool{t: true}
	for level := []field{{StructField: reflect.StructField{Type: t}}}; len(level) > 0; {
		var deeper []field
		here := map[string][]field{}
		for _, outer := range level {
			for i := range outer.Type.NumField() {
				f := field{StructField: outer.Type.Field(i), pointer: outer.pointer, twice: outer.twice}
				inner, pointer := f.Type, f.Type.Kind() == reflect.Pointer
				if pointer {
					inner = inner.Elem()
				}
				embedded := f.Anonymous && inner.Kind() == reflect.Struct
				tag := f.Tag.Get("json")
				f.name, _, _ = strings.Cut(tag, ",")
				switch f.tagged = f.name != ""; {
				case tag == "-" || !f.IsExported() && !embedded:
				case embedded && pointer && !f.IsExported():
					if slices.ContainsFunc(reflect.VisibleFields(inner), reflect.StructField.IsExported) {
						return nil, fmt.Errorf("JSON can't set the fields of %v through its embedded pointer to %v; embed the struct, or export its name", t, inner)
					}
				case embedded && !f.tagged:
					again := func(d field) bool { return d.Type == inner }
					if at := slices.IndexFunc(deeper, again); at >= 0 {
						deeper[at].twice = true
					} else if !structs[inner] {
						structs[inner] = true
						deeper = append(deeper, field{StructField: reflect.StructField{Type: inner}, pointer: f.pointer || pointer, twice: outer.twice})
					}
				default:
					if !f.tagged {
						f.name = f.Name
					}
					here[f.name] = append(here[f.name], f)
				}
			}
		}
		kept, err := dominant(t, here, names)
		if err != nil {
			return nil, err
		}
		all, level = append(all, kept...), deeper
	}
	return all, nil
}

// dominant returns those fields of one depth that no field further up hides.
func dominant(t reflect.Type, here map[string][]field, names map[string]bool) (kept []field, err error) {
	for name, fields := range here {
		if names[name] {
			continue
		}
		names[name] = true
		tagged := 0
		winner := fields[0]
		for _, f := range fields {
			if f.tagged {
				tagged++
				winner = f
			}
		}
		if len(fields) > 1 && tagged != 1 || winner.twice {
			return nil, fmt.Errorf("%v has the JSON name %q twice, and JSON keeps neither; give one another name", t, name)
		}
		kept = append(kept, winner)
	}
	return kept, nil
}
