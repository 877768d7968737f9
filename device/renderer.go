package device

import (
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// Renderer returns the name of what draws with OpenGL here, such as "llvmpipe
// (LLVM 15.0.6, 256 bits)", or "" if that cannot be told. It asks GLX with a
// window-less context of its own and takes about 50 ms.
func Renderer() string {
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine, and its context with it
	x11, err1 := purego.Dlopen("libX11.so.6", purego.RTLD_NOW|purego.RTLD_GLOBAL)
	gl, err2 := purego.Dlopen("libGL.so.1", purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err1 != nil || err2 != nil {
		return ""
	}
	var openDisplay func(name *byte) uintptr
	var defaultScreen func(display uintptr) int32
	var rootWindow func(display uintptr, screen int32) uintptr
	var closeDisplay func(display uintptr) int32
	var chooseVisual func(display uintptr, screen int32, attributes *int32) uintptr
	var createContext func(display, visual, share uintptr, direct int32) uintptr
	var makeCurrent func(display, drawable, context uintptr) int32
	var destroyContext func(display, context uintptr)
	var getString func(name uint32) uintptr
	purego.RegisterLibFunc(&openDisplay, x11, "XOpenDisplay")
	purego.RegisterLibFunc(&defaultScreen, x11, "XDefaultScreen")
	purego.RegisterLibFunc(&rootWindow, x11, "XRootWindow")
	purego.RegisterLibFunc(&closeDisplay, x11, "XCloseDisplay")
	purego.RegisterLibFunc(&chooseVisual, gl, "glXChooseVisual")
	purego.RegisterLibFunc(&createContext, gl, "glXCreateContext")
	purego.RegisterLibFunc(&makeCurrent, gl, "glXMakeCurrent")
	purego.RegisterLibFunc(&destroyContext, gl, "glXDestroyContext")
	purego.RegisterLibFunc(&getString, gl, "glGetString")
	display := openDisplay(nil)
	if display == 0 {
		return ""
	}
	defer closeDisplay(display)
	const rgba, doubleBuffer, vendorRenderer = 4, 5, 0x1F01
	attributes := []int32{rgba, doubleBuffer, 0}
	screen := defaultScreen(display)
	visual := chooseVisual(display, screen, &attributes[0])
	if visual == 0 {
		return ""
	}
	context := createContext(display, visual, 0, 1)
	if context == 0 {
		return ""
	}
	defer destroyContext(display, context)
	if makeCurrent(display, rootWindow(display, screen), context) == 0 {
		return ""
	}
	defer makeCurrent(display, 0, 0)
	return cString(getString(vendorRenderer))
}

func cString(p uintptr) string {
	if p == 0 {
		return ""
	}
	var b []byte
	for i := range 200 {
		c := *(*byte)(unsafe.Add(*(*unsafe.Pointer)(unsafe.Pointer(&p)), i))
		if c == 0 {
			break
		}
		b = append(b, c)
	}
	return string(b)
}
