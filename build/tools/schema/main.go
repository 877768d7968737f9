// Schema writes the JSON Schemas of the content folder and of the programme
// document from the Go types that read them. With --check it compares instead.
package main

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"cotmoc/playlist"
)

func main() {
	check := len(os.Args) == 3 && os.Args[2] == "--check"
	if len(os.Args) < 2 || len(os.Args) == 3 && !check || len(os.Args) > 3 {
		fmt.Fprintln(os.Stderr, "usage: schema FOLDER [--check]")
		os.Exit(2)
	}
	for name, v := range map[string]any{"content": playlist.Rows{}, "programme": playlist.Programme{}} {
		if err := run(filepath.Join(os.Args[1], name+".schema.json"), v, check); err != nil {
			fmt.Fprintln(os.Stderr, "schema:", err)
			os.Exit(1)
		}
	}
}

func run(path string, v any, check bool) error {
	b := &builder{defs: map[string]any{}}
	root := b.of(reflect.TypeOf(v))
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["$defs"] = b.defs
	raw, err := json.MarshalIndent(root, "", " ")
	if err != nil {
		return err
	}
	raw = append(raw, '\n')
	if !check {
		return os.WriteFile(path, raw, 0o644)
	}
	have, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !bytes.Equal(have, raw) {
		return fmt.Errorf("%s is not what the types say: run go run ./build/tools/schema docs", path)
	}
	return nil
}

type builder struct{ defs map[string]any }

var (
	texts  = reflect.TypeFor[encoding.TextUnmarshaler]()
	custom = reflect.TypeFor[json.Unmarshaler]()
)

func (b *builder) of(t reflect.Type) map[string]any {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case reflect.PointerTo(t).Implements(texts):
		return map[string]any{"type": "string"}
	case t == reflect.TypeFor[playlist.Body]():
		return map[string]any{"oneOf": []any{map[string]any{"type": "string"}, b.named(t)}}
	case reflect.PointerTo(t).Implements(custom) && t.Kind() == reflect.Slice:
		one := b.of(t.Elem())
		return map[string]any{"oneOf": []any{one, map[string]any{"type": "array", "items": one}}}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return b.of(t.Elem())
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return map[string]any{"type": "integer"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": b.of(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": b.of(t.Elem())}
	case reflect.Struct:
		return b.named(t)
	}
	panic("a type that has no schema: " + t.String())
}

func (b *builder) named(t reflect.Type) map[string]any {
	ref := map[string]any{"$ref": "#/$defs/" + t.Name()}
	if _, ok := b.defs[t.Name()]; ok {
		return ref
	}
	properties := map[string]any{}
	var required []string
	b.defs[t.Name()] = nil // stops recursion
	b.fields(t, properties, &required)
	def := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		def["required"] = required
	}
	b.defs[t.Name()] = def
	return ref
}

func (b *builder) fields(t reflect.Type, properties map[string]any, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			b.fields(f.Type, properties, required)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		properties[name] = b.of(f.Type)
		if !strings.Contains(options, "omit") && f.Type.Kind() != reflect.Bool && f.Type.Kind() != reflect.Int {
			*required = append(*required, name)
		}
	}
}
