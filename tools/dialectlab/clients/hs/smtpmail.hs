import Control.Monad
import qualified Data.Text as T
import qualified Data.Text.Lazy as L
import Network.Mail.SMTP
import System.Environment

main :: IO ()
main = do
  addr <- getEnv "ADDR"
  port <- fromIntegral . (read :: String -> Int) <$> getEnv "PORT"
  tls <- getEnv "TLS"
  login <- getEnv "LOGIN"
  to <- map (Address Nothing . T.pack) . words <$> getEnv "TO"
  let m = simpleMail (Address (Just (T.pack "Sender")) (T.pack "sender@example.org")) to [] [] (T.pack "x") [plainTextPart (L.pack "text")]
  case (tls, null login) of
    ("smtps", True) -> sendMailTLS' addr port m
    ("smtps", False) -> sendMailWithLoginTLS' addr port "user" "secret" m
    ("starttls", True) -> sendMailSTARTTLS' addr port m
    ("starttls", False) -> sendMailWithLoginSTARTTLS' addr port "user" "secret" m
    _ -> sendMail' addr port m
