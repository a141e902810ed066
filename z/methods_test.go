package z_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/zmem-go/zmem/z"
)

// receiver is a value of a type with methods, in a state in which a caller's bug may leave it, or as it
// should be. get makes a new one for each call, and what gives back all that the call left.
type receiver struct {
	state string
	get   func(t *testing.T) (v any, end func())
}

// always is a receiver that holds nothing.
func always(state string, v any) receiver {
	return receiver{state, func(*testing.T) (any, func()) { return v, func() {} }}
}

func liveBuffer(t *testing.T) *z.Buffer {
	b := z.NewBuffer(0)
	b.WriteSlice([]byte("eight by"))
	b.WriteSlice([]byte("te words"))
	return b
}

func bufferReceiver(state string, get func(t *testing.T) *z.Buffer) receiver {
	return receiver{state, func(t *testing.T) (any, func()) {
		b := get(t)
		return b, func() { noError(t, b.Release()) }
	}}
}

func mmapReceiver(state string, get func(m *z.MmapFile)) receiver {
	return receiver{state, func(t *testing.T) (any, func()) {
		m := newMmapFile(t, 100)
		get(m)
		return m, func() { _ = m.Close(-1) }
	}}
}

// receivers has every exported type with methods, by its name.
var receivers = map[string][]receiver{
	"Buffer": {
		always("nil", (*z.Buffer)(nil)),
		always("zero", &z.Buffer{}),
		bufferReceiver("live", liveBuffer),
		bufferReceiver("released", func(t *testing.T) *z.Buffer {
			b := liveBuffer(t)
			noError(t, b.Release())
			return b
		}),
		bufferReceiver("full", func(t *testing.T) *z.Buffer { return z.NewBuffer(0).WithMaxSize(64) }),
		bufferReceiver("view", func(t *testing.T) *z.Buffer { return z.NewBufferSlice([]byte("no record")) }),
		bufferReceiver("empty view", func(t *testing.T) *z.Buffer { return z.NewBufferSlice(nil) }),
		bufferReceiver("in a temporary file", func(t *testing.T) *z.Buffer {
			b, err := z.NewBufferTmp(t.TempDir(), 0)
			noError(t, err)
			b.WriteSlice([]byte("eight by"))
			return b
		}),
		bufferReceiver("in a file", func(t *testing.T) *z.Buffer {
			b, err := z.NewBufferPersistent(filepath.Join(t.TempDir(), "b"), 0)
			noError(t, err)
			b.WriteSlice([]byte("eight by"))
			return b
		}),
	},
	"MmapFile": {
		always("nil", (*z.MmapFile)(nil)),
		always("zero", &z.MmapFile{}),
		always("data alone", &z.MmapFile{Data: []byte("\x00\x00\x00\x02abc")}),
		mmapReceiver("live", func(*z.MmapFile) {}),
		mmapReceiver("without Data", func(m *z.MmapFile) { _ = m.Truncate(0) }),
		mmapReceiver("closed", func(m *z.MmapFile) { _ = m.Close(-1) }),
		mmapReceiver("deleted", func(m *z.MmapFile) { _ = m.Delete() }),
		mmapReceiver("with a closed file", func(m *z.MmapFile) { _ = m.Fd.Close() }),
	},
	"Allocator": {
		always("nil", (*z.Allocator)(nil)),
		always("zero", &z.Allocator{}),
		{"live", func(t *testing.T) (any, func()) {
			a := z.NewAllocator(0)
			return a, a.Release
		}},
		{"released", func(t *testing.T) (any, func()) {
			a := z.NewAllocator(0)
			a.Allocate(10)
			a.Release()
			return a, func() {}
		}},
	},
	"AllocatorPool": {
		always("nil", (*z.AllocatorPool)(nil)),
		always("zero", &z.AllocatorPool{}),
		{"live", func(t *testing.T) (any, func()) {
			p := z.NewAllocatorPool(1)
			return p, p.Release
		}},
		{"released", func(t *testing.T) (any, func()) {
			p := z.NewAllocatorPool(1)
			p.Release()
			return p, func() {}
		}},
	},
	"Cursor": {
		always("nil", (*z.Cursor)(nil)),
		{"zero", func(t *testing.T) (any, func()) { return &z.Cursor{}, func() {} }},
		{"live", func(t *testing.T) (any, func()) {
			a := z.NewAllocator(0)
			return a.Cursor(), a.Release
		}},
		{"of a nil Allocator", func(t *testing.T) (any, func()) {
			return (*z.Allocator)(nil).Cursor(), func() {}
		}},
		{"closed", func(t *testing.T) (any, func()) {
			a := z.NewAllocator(0)
			k := a.Cursor()
			k.Allocate(8)
			k.Close()
			return k, a.Release
		}},
		{"of a released Allocator", func(t *testing.T) (any, func()) {
			a := z.NewAllocator(0)
			k := a.Cursor()
			k.Allocate(8)
			a.Release()
			return k, func() {}
		}},
	},
	"Ptr":        {always("nil", (*z.Ptr[int])(nil)), always("zero", &z.Ptr[int]{})},
	"Slice":      {always("nil", (*z.Slice[int])(nil)), always("zero", &z.Slice[int]{})},
	"LeakSite":   {always("nil", (*z.LeakSite)(nil)), always("zero", &z.LeakSite{})},
	"GoPointer":  {always("nil", (*z.GoPointer)(nil)), always("zero", &z.GoPointer{})},
	"GoPointers": {always("nil", (*z.GoPointers)(nil)), always("zero", &z.GoPointers{})},
}

// nilDereference are the methods that do dereference a nil pointer, by decision.
var nilDereference = map[string]bool{
	"Cursor.Allocate": true, // with a check of it the compiler does not inline it, at three times its price
}

// Every method, on every receiver, with every argument that a caller may have got wrong: it works, or
// panics with a sentence that begins with the call's name, and never with an error of the runtime.
// Methods are found by reflection, so that a new one is tried, too.
func TestMethods_OnAnyReceiver(t *testing.T) {
	start := liveNow()
	for name, states := range receivers {
		for _, r := range states {
			t.Run(name+"/"+r.state, func(t *testing.T) {
				v, end := r.get(t)
				typ := reflect.TypeOf(v)
				isNil := reflect.ValueOf(v).IsNil()
				end()
				for i := range typ.NumMethod() {
					method := typ.Method(i)
					if _, byValue := typ.Elem().MethodByName(method.Name); isNil && byValue {
						continue // Go has no value to call it on
					}
					for _, args := range argumentsOf(method.Type) {
						v, end := r.get(t)
						call := name + "." + method.Name
						got := panicOf(func() { use(method.Func.Call(append([]reflect.Value{reflect.ValueOf(v)}, args...))) })
						if !isNil || !nilDereference[call] {
							checkPanic(t, call, args, got)
						}
						end()
					}
				}
			})
		}
	}
	wantLive(t, start)
}

// checkPanic looks at what a call panicked with, or nil.
func checkPanic(t *testing.T, call string, args []reflect.Value, got any) {
	t.Helper()
	var runtimeError runtime.Error
	text := fmt.Sprint(got)
	err, _ := got.(error)
	switch {
	case got == nil:
	case errors.As(err, &runtimeError):
		t.Errorf("%s%v panics with the runtime's %q", call, args, text)
	case errors.Is(err, z.ErrOutOfMemory) && strings.HasPrefix(text, "z: allocating "):
		// which is no caller's bug
	case !strings.HasPrefix(text, "z: "+call+": "):
		t.Errorf("%s%v panics with %q, which does not name it", call, args, text)
	}
}

// use runs what methods return to be run: iterators, twice, and readers. It ends what is to be released.
func use(results []reflect.Value) {
	for _, r := range results {
		if r.Kind() == reflect.Func && !r.IsNil() && r.Type().NumIn() == 1 && r.Type().In(0).Kind() == reflect.Func {
			for _, more := range []bool{true, false} {
				r.Call([]reflect.Value{reflect.MakeFunc(r.Type().In(0), func([]reflect.Value) []reflect.Value {
					return []reflect.Value{reflect.ValueOf(more)}
				})})
			}
		}
		if !r.CanInterface() {
			continue
		}
		switch v := r.Interface().(type) {
		case interface{ Read([]byte) (int, error) }:
			_, _ = v.Read(make([]byte, 3))
		case *z.Allocator:
			v.Release()
		}
	}
}

// argumentsOf is lists of arguments for a method: each integer is each of those that break arithmetic,
// in all combinations; what is neither nil nor an integer is tried as nil, and as something small.
func argumentsOf(method reflect.Type) [][]reflect.Value {
	lists := [][]reflect.Value{nil}
	n := method.NumIn()
	if method.IsVariadic() {
		n--
	}
	for i := 1; i < n; i++ { // 0 is the receiver
		var longer [][]reflect.Value
		for _, list := range lists {
			for _, v := range valuesOf(method.In(i)) {
				longer = append(longer, append(list[:len(list):len(list)], v))
			}
		}
		lists = longer
	}
	return lists
}

func valuesOf(typ reflect.Type) []reflect.Value {
	zero := reflect.Zero(typ)
	switch typ.Kind() {
	case reflect.Int, reflect.Int64:
		var out []reflect.Value
		for _, n := range []int{0, -1, 8, math.MaxInt, math.MaxInt - 8, math.MinInt} {
			out = append(out, reflect.ValueOf(n).Convert(typ))
		}
		return out
	case reflect.Slice:
		return []reflect.Value{zero, reflect.MakeSlice(typ, 0, 0), reflect.MakeSlice(typ, 3, 5)}
	case reflect.Func:
		return []reflect.Value{zero, reflect.MakeFunc(typ, func([]reflect.Value) []reflect.Value {
			var out []reflect.Value
			for i := range typ.NumOut() {
				out = append(out, reflect.Zero(typ.Out(i)))
			}
			return out
		})}
	case reflect.Struct: // options: nothing set, and each field in turn
		out := []reflect.Value{zero}
		for i := range typ.NumField() {
			if !typ.Field(i).IsExported() {
				continue
			}
			for _, v := range valuesOf(typ.Field(i).Type) {
				one := reflect.New(typ).Elem()
				one.Field(i).Set(v)
				out = append(out, one)
			}
		}
		return out
	}
	return []reflect.Value{zero}
}

// No exported type with exported methods is left out above.
func TestMethods_OfEveryType(t *testing.T) {
	entries, err := os.ReadDir(".")
	noError(t, err)
	found := map[string]bool{}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, 0)
		noError(t, err)
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil && f.Name.IsExported() {
				if name := typeName(f.Recv.List[0].Type); ast.IsExported(name) {
					found[name] = true
				}
			}
		}
	}
	for name := range found {
		if receivers[name] == nil {
			t.Errorf("%s has methods that no receiver here has", name)
		}
	}
	for name := range receivers {
		if !found[name] {
			t.Errorf("%s has no methods any more", name)
		}
	}
}

// typeName is the name of a method's type, without its pointer and parameters.
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.IndexExpr:
		return typeName(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// What programs of others met: an offset near MaxInt in an MmapFile that has no Data.
func TestMmapFile_AllocateSliceNearMaxInt(t *testing.T) {
	m := newMmapFile(t, 100)
	noError(t, m.Truncate(0))
	for back := range 20 {
		for _, size := range []int{0, 1, 4, 1 << 20} {
			if b, next, err := m.AllocateSlice(size, math.MaxInt-back); b != nil || next != 0 || err == nil {
				t.Errorf("AllocateSlice(%d, MaxInt-%d): %d bytes, %d, %v", size, back, len(b), next, err)
			}
			if _, _, err := (*z.MmapFile)(nil).AllocateSlice(size, math.MaxInt-back); !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("nil: AllocateSlice(%d, MaxInt-%d): %v", size, back, err)
			}
		}
	}
	if len(m.Data) != 0 {
		t.Errorf("Data has %d bytes", len(m.Data))
	}
}
