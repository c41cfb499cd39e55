#lang racket/base
(require net/smtp openssl racket/string racket/file)
(define (e n) (getenv n))
(define tls (e "TLS"))
(smtp-send-message (e "ADDR") "sender@example.org" (string-split (e "TO")) "Subject: x\r\n\r\n" (file->lines (e "MSG"))
  #:port-no (string->number (e "PORT"))
  #:auth-user (and (equal? (e "LOGIN") "1") "user") #:auth-passwd (and (equal? (e "LOGIN") "1") "secret")
  #:tcp-connect (if (equal? tls "smtps") ssl-connect (let-values ([(c) (dynamic-require 'racket/tcp 'tcp-connect)]) c))
  #:tls-encode (and (equal? tls "starttls") ports->ssl-ports))
