; The classes of operating systems that labels may name.
;
; This is the database that comes with the program, in the language of p0f 3
; (p0f v3 section 2). The files of this directory are read in the order of their
; names, as if they were one. The month in a "source:" line is when it was written
; down, the years are those of the observations.
; A label claims no more than a SYN can show: where two systems send the same
; packet, the label names both, or none.

classes = win,unix,other
