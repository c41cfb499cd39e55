(module "smtp.lsp")
(println (SMTP:send-mail "sender@example.org" (first (parse (env "TO") " ")) "x" (read-file (env "MSG")) (env "ADDR")))
(println (SMTP:get-error-text))
(exit)
