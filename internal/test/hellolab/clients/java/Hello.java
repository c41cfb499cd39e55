import javax.net.ssl.*;

/** Opens a TLS connection with the settings of the JDK: port. */
public class Hello {
    public static void main(String[] args) throws Exception {
        SSLSocket s = (SSLSocket) SSLSocketFactory.getDefault().createSocket("127.0.0.1", Integer.parseInt(args[0]));
        s.startHandshake();
    }
}
