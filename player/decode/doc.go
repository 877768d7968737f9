// Package decode turns media files into pictures, frames and sound samples.
// Video and audio are decoded by ffmpeg children, which get no network, only
// real container formats, limits on memory and time, and die with us.
package decode
